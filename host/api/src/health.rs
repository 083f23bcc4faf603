//! `/healthz` and `/readyz`: open to whoever watches the host, and silent about tenants.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_wire::{Check, Health, Readiness};

use crate::state::ApiState;

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Whether the host serves
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(crate) async fn readyz(State(state): State<ApiState>) -> (StatusCode, Json<Readiness>) {
    answer(&state.app().readiness(), state.closing().is_cancelled())
}

/// Ready as the app says, and not when the host closes. A failed check by itself may be a neighbour's trouble.
fn answer(readiness: &host_app::Readiness, closing: bool) -> (StatusCode, Json<Readiness>) {
    let ready = readiness.ready && !closing;
    let mut checks: Vec<Check> = readiness.checks.iter().map(check_of).collect();
    let detail = closing.then(|| "the host is closing".to_owned());
    checks.push(Check { name: "open".to_owned(), ok: !closing, detail });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let degraded = checks.iter().any(|check| matches!(check.name.as_str(), "audit" | "journal") && !check.ok);
    let word = match (ready, degraded) {
        (false, _) => "not-ready",
        (true, true) => "degraded",
        (true, false) => "ready",
    };
    (status, Json(Readiness { status: word.to_owned(), checks }))
}

fn check_of(check: &host_app::Check) -> Check {
    Check { name: check.name.to_owned(), ok: check.ok, detail: check.detail.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ready: bool, closing: bool, expected: (u16, &str)) {
        let agents = host_app::Check { name: "agents", ok: false, detail: Some("1 down".into()) };
        let (status, Json(said)) = answer(&host_app::Readiness { ready, checks: vec![agents] }, closing);
        assert_eq!((status.as_u16(), said.status.as_str()), expected);
        assert_eq!(said.checks.len(), 2);
    }

    #[test]
    fn an_audit_that_cannot_be_written_degrades_the_host() {
        let audit = host_app::Check { name: "audit", ok: false, detail: None };
        let (status, Json(said)) = answer(&host_app::Readiness { ready: true, checks: vec![audit] }, false);
        assert_eq!((status.as_u16(), said.status.as_str()), (200, "degraded"));
    }

    #[test]
    fn a_closing_host_is_not_ready_and_a_failed_agent_is_no_reason() {
        check(true, false, (200, "ready"));
        check(false, false, (503, "not-ready"));
        check(true, true, (503, "not-ready"));
    }
}
