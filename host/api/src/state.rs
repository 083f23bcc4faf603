//! What every handler may use.

use std::sync::Arc;

use host_app::App;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::auth::TokenDigest;
use crate::problem::ApiError;

/// The most streams at once.
const STREAMS_MAX: usize = 256;
/// The most streams of external agents at once, over all tenants; each tenant has a bound of its own.
const AGENT_STREAMS_MAX: usize = 4_096;
/// The most requests at once that wait for their answer.
const IN_FLIGHT_MAX: usize = 1_024;

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    app: App,
    operator: TokenDigest,
    closing: CancellationToken,
    streams: Arc<Semaphore>,
    agent_streams: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
}

impl ApiState {
    /// For the holder of the operator's token. When `closing` is cancelled, readiness is false and streams end.
    pub fn new(app: App, operator: TokenDigest, closing: CancellationToken) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let agent_streams = Arc::new(Semaphore::new(AGENT_STREAMS_MAX));
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        Self(Arc::new(Inner { app, operator, closing, streams, agent_streams, in_flight }))
    }

    pub(crate) fn app(&self) -> &App {
        &self.0.app
    }

    pub(crate) fn operator(&self) -> &TokenDigest {
        &self.0.operator
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Room for one more stream, until the permit is dropped. Never waits.
    pub(crate) fn stream_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.0.streams.clone().try_acquire_owned().map_err(|_| ApiError::Busy { what: "streams", limit: STREAMS_MAX })
    }

    /// Room for one more stream of an external agent, until the permit is dropped. Never waits.
    pub(crate) fn agent_stream_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let room = self.0.agent_streams.clone().try_acquire_owned();
        room.map_err(|_| ApiError::Busy { what: "streams", limit: AGENT_STREAMS_MAX })
    }

    /// Room for one more request, until the permit is dropped. Never waits.
    pub(crate) fn request_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.0
            .in_flight
            .clone()
            .try_acquire_owned()
            .map_err(|_| ApiError::Busy { what: "requests", limit: IN_FLIGHT_MAX })
    }
}
