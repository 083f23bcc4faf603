//! Streams of events (SSE), until they end or the person at the keyboard does.

use std::pin::{Pin, pin};

use eventsource_stream::{Event, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::error::CliError;

/// A stream of events.
pub(crate) struct Events(Pin<Box<dyn Stream<Item = Option<Event>> + Send>>);

/// What to do after an event.
pub(crate) enum Then {
    /// Wait for the next.
    GoOn,
    /// Stop: all that was wanted is here.
    Stop,
}

impl Events {
    pub(crate) fn new(response: Response) -> Self {
        Self(response.bytes_stream().eventsource().map(Result::ok).boxed())
    }

    /// Hands each event to `each`, until `each` has enough or fails, Ctrl-C is pressed (which is success), or the stream
    /// breaks off.
    pub(crate) async fn for_each(
        mut self,
        mut each: impl FnMut(&Event) -> Result<Then, CliError>,
    ) -> Result<(), CliError> {
        // One listener for the whole stream: Ctrl-C counts while an event is being printed, too.
        let mut stop = pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                _ = &mut stop => return Ok(()),
                event = self.0.next() => {
                    let event = event.flatten().ok_or(CliError::StreamEnded)?;
                    if let Then::Stop = each(&event)? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// What an event carries.
pub(crate) fn data<T: DeserializeOwned>(event: &Event) -> Result<T, CliError> {
    let unknown = |_| {
        CliError::Unmet(format!(
            "the host sent an event '{}' that this client cannot read: use a client of the host's version",
            event.event
        ))
    };
    serde_json::from_str(&event.data).map_err(unknown)
}
