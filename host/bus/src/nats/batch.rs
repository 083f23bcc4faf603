//! One request for messages, bounded in number and in bytes.
//!
//! The client's own ends with the word that a batch is complete. Of a consumer with replicas that word comes before the messages, which
//! wait until a quorum knows that they go out (nats-server 2.15.1): nobody would be there any more to hear them.

use std::time::Duration;

use async_nats::jetstream::consumer::Consumer;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::{self, Message};
use async_nats::{StatusCode, Subscriber};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::{NatsError, failed};

/// Bytes that one request asks for.
const BYTES_MAX: usize = 8 << 20;
/// How long a request stands, and how much later its last message may come.
const STANDS: Duration = Duration::from_secs(5);
const LATE_MAX: Duration = Duration::from_secs(2);
/// Where a server says how many messages of a request it will not send.
const NOT_SENT: &str = "Nats-Pending-Messages";

/// What is asked for, as `$JS.API.CONSUMER.MSG.NEXT` takes it (NATS ADR 37).
#[derive(Serialize)]
struct Asked {
    batch: usize,
    max_bytes: usize,
    /// In nanoseconds.
    expires: u64,
}

/// What comes of one request.
pub(super) struct Batch {
    jetstream: jetstream::Context,
    heard: Subscriber,
    /// Messages that are still to come.
    missing: usize,
    until: Instant,
}

impl Batch {
    /// Asks for so many at most.
    pub(super) async fn ask(
        connection: &Connection,
        consumer: &Consumer<PullConfig>,
        len_max: usize,
    ) -> Result<Self, NatsError> {
        let (client, info) = (&connection.client, consumer.cached_info());
        let expires = u64::try_from(STANDS.as_nanos()).unwrap_or(u64::MAX);
        let asked = serde_json::to_vec(&Asked { batch: len_max, max_bytes: BYTES_MAX, expires });
        let asked = asked.map_err(failed("ask for messages"))?;
        let inbox = client.new_inbox();
        let heard = client.subscribe(inbox.clone()).await.map_err(failed("ask for messages"))?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", info.stream_name, info.name);
        client.publish_with_reply(subject, inbox, asked.into()).await.map_err(failed("ask for messages"))?;
        let until = Instant::now() + STANDS + LATE_MAX;
        Ok(Self { jetstream: connection.jetstream.clone(), heard, missing: len_max, until })
    }

    /// The next message, or none when nothing more comes of this request.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, NatsError> {
        while self.missing > 0 {
            let Ok(Some(message)) = timeout_at(self.until, self.heard.next()).await else { return Ok(None) };
            match message.status.filter(|status| *status != StatusCode::OK) {
                None => {
                    self.missing -= 1;
                    return Ok(Some(Message { message, context: self.jetstream.clone() }));
                }
                Some(status) => self.missing = left(self.missing, status, &message)?,
            }
        }
        Ok(None)
    }
}

/// How many are still to come after a word of the server's.
fn left(missing: usize, status: StatusCode, said: &async_nats::Message) -> Result<usize, NatsError> {
    let not_sent = said.headers.as_ref().and_then(|headers| headers.get(NOT_SENT));
    match not_sent.and_then(|count| count.as_str().parse::<usize>().ok()) {
        Some(not_sent) => Ok(missing.saturating_sub(not_sent)),
        None if [StatusCode::NOT_FOUND, StatusCode::TIMEOUT].contains(&status) => Ok(0),
        None => {
            let why = format!("{status} {}", said.description.as_deref().unwrap_or_default());
            Err(failed("ask for messages")(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use bytes::Bytes;

    use super::*;

    fn said(status: StatusCode, not_sent: Option<&str>) -> async_nats::Message {
        let mut headers = HeaderMap::new();
        if let Some(count) = not_sent {
            headers.insert(NOT_SENT, count);
        }
        async_nats::Message {
            subject: "_INBOX.x".into(),
            reply: None,
            payload: Bytes::new(),
            headers: Some(headers),
            status: Some(status),
            description: None,
            length: 0,
        }
    }

    #[test]
    fn what_a_server_will_not_send_is_not_waited_for_and_what_it_has_sent_is() {
        let conflict = StatusCode::try_from(409).unwrap();
        let check = |status, not_sent, expected: Option<usize>| {
            assert_eq!(left(8, status, &said(status, not_sent)).ok(), expected, "{status} {not_sent:?}");
        };
        // "Batch Completed", before all of it was heard; "Message Size Exceeds MaxBytes"; a request that has expired; an old server's.
        check(conflict, Some("0"), Some(8));
        check(conflict, Some("3"), Some(5));
        check(StatusCode::TIMEOUT, Some("8"), Some(0));
        check(StatusCode::TIMEOUT, None, Some(0));
        check(StatusCode::NOT_FOUND, None, Some(0));
        // "Consumer Deleted", and nobody there.
        check(conflict, None, None);
        check(StatusCode::NO_RESPONDERS, None, None);
    }
}
