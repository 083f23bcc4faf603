//! `/api/agents/{id}/logs`: what an agent logged, and what it logs now.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use host_app::{LogQuery, LogRecord, LogStream};
use host_model::{AgentId, TenantId, Timestamp};
use host_wire::{BadSince, LogLevel, LogSource, Page, Since};
use serde::Deserialize;

use crate::convert::{level_of, record_of, source_of};
use crate::extract::{At, Params};
use crate::page::checked_limit;
use crate::problem::ApiError;
use crate::state::ApiState;
use crate::stream::{self, Source};

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// Whose agent.
    #[param(value_type = String, example = "acme")]
    tenant: TenantId,
    /// From when on: so long ago (`90s`, `10m`, `2h`, `7d`), or a time as in RFC 3339.
    #[param(example = "10m")]
    since: Option<String>,
    /// At least so loud.
    level: Option<LogLevel>,
    /// From where.
    source: Option<LogSource>,
    /// With this text.
    contains: Option<String>,
    /// The last so many lines, 1 to 1000; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Stream these lines, then new ones as they come.
    #[serde(default)]
    follow: bool,
}

/// Read or follow an agent's log
///
/// With `follow=true`, server-sent events: `ready`, then `log` with a `LogRecord` for each line.
#[utoipa::path(
    get,
    path = "/api/agents/{id}/logs",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), LogParams),
    responses((status = 200, content(
        (Page<host_wire::LogRecord> = "application/json"),
        (String = "text/event-stream"),
    )))
)]
pub(crate) async fn agent_logs(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(params): Params<LogParams>,
) -> Result<Response, ApiError> {
    let query = query_of(&params, now())?;
    let tenant = params.tenant;
    if params.follow {
        // Opened before the past is read, so that no line falls in between.
        let coming = state.app().follow_logs(&tenant, &agent, query.clone())?;
        let past = state.app().logs(&tenant, &agent, &query)?.into();
        return stream::events(&state, Following { tenant, agent, past, sent: Vec::new(), coming });
    }
    let records = state.app().logs(&tenant, &agent, &query)?;
    let items = records.iter().map(|record| record_of(&tenant, &agent, record)).collect();
    Ok(Json(Page { items, next: None }).into_response())
}

/// What an agent logged, then what it logs.
struct Following {
    tenant: TenantId,
    agent: AgentId,
    past: VecDeque<Arc<LogRecord>>,
    /// Lines that were sent from the past and may come once more.
    sent: Vec<Arc<LogRecord>>,
    coming: LogStream,
}

impl Source for Following {
    async fn next_event(&mut self) -> Option<Event> {
        let record = match self.past.pop_front() {
            Some(record) => {
                self.sent.push(record.clone());
                record
            }
            None => self.next_new().await?,
        };
        Some(stream::event("log", &record_of(&self.tenant, &self.agent, &record)))
    }
}

impl Following {
    async fn next_new(&mut self) -> Option<Arc<LogRecord>> {
        loop {
            let record = self.coming.next().await?;
            let old = self.sent.iter().any(|sent| Arc::ptr_eq(sent, &record));
            if self.sent.last().is_some_and(|sent| record.at > sent.at) {
                self.sent.clear();
            }
            if !old {
                return Some(record);
            }
        }
    }
}

fn query_of(params: &LogParams, now: Timestamp) -> Result<LogQuery, ApiError> {
    Ok(LogQuery {
        since: since_of(params.since.as_deref(), now)?,
        level: params.level.map(level_of),
        source: params.source.map(source_of),
        contains: params.contains.clone(),
        limit: checked_limit(params.limit)?,
    })
}

/// The moment that a client means.
pub(crate) fn since_of(raw: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let since = raw.map(str::parse::<Since>).transpose();
    let since = since.map_err(|bad: BadSince| ApiError::BadQuery(format!("since: {bad}")))?;
    Ok(since.map(|since| Timestamp::from_millis(since.as_millis(now.as_millis()))))
}

/// "Ten minutes ago" is the one thing at this edge that needs a clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(raw: &str) -> Result<Option<u64>, u16> {
        let params = LogParams {
            tenant: "acme".parse().unwrap(),
            since: Some(raw.to_owned()),
            level: None,
            source: None,
            contains: None,
            limit: None,
            follow: false,
        };
        let query = query_of(&params, Timestamp::from_millis(100_000));
        query.map(|query| query.since.map(Timestamp::as_millis)).map_err(|refused| refused.problem().status)
    }

    #[test]
    fn since_is_a_moment_or_so_long_before_now() {
        assert_eq!(since("10s"), Ok(Some(90_000)));
        assert_eq!(since("1970-01-01T00:00:07Z"), Ok(Some(7_000)));
        assert_eq!(since("soon"), Err(400));
    }
}
