//! Streams of events (SSE): `ready` first, then what comes, until the client or the host goes.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::problem::ApiError;
use crate::state::ApiState;

/// How often a silent stream shows that it lives.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Where events come from.
pub(crate) trait Source: Send + 'static {
    /// The next event; none when there will be no more.
    fn next_event(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

/// An answer that streams a source. Refused when as many streams are open as can be; ended when the host closes.
pub(crate) fn events(state: &ApiState, source: impl Source) -> Result<Response, ApiError> {
    Ok(streamed(state, state.stream_permit()?, source))
}

/// An answer that streams to an external agent. Opened once there is room: to open one ends another.
pub(crate) fn events_for_agent<S: Source>(
    state: &ApiState,
    open: impl FnOnce() -> Result<S, ApiError>,
) -> Result<Response, ApiError> {
    let permit = state.agent_stream_permit()?;
    Ok(streamed(state, permit, open()?))
}

fn streamed(state: &ApiState, permit: OwnedSemaphorePermit, source: impl Source) -> Response {
    let closing = state.closing().clone();
    let coming = stream::unfold((source, closing, permit), |(mut source, closing, permit)| async move {
        let event = tokio::select! {
            () = closing.cancelled() => None,
            event = source.next_event() => event,
        };
        event.map(|event| (event, (source, closing, permit)))
    });
    let greeting = stream::once(ready(Event::default().event("ready").data("{}")));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE_EVERY);
    Sse::new(greeting.chain(coming).map(Ok::<_, Infallible>)).keep_alive(keep_alive).into_response()
}

/// An event of one kind with JSON in it.
pub(crate) fn event(kind: &str, data: &impl Serialize) -> Event {
    // Our shapes serialise; were one not to, its event says so rather than ending the stream.
    Event::default().event(kind).json_data(data).unwrap_or_else(|_| Event::default().event("unreadable"))
}
