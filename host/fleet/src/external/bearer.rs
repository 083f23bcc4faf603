//! Whoever holds a valid token of an external agent, for one request or one stream.

use std::sync::Arc;
use std::time::Duration;

use host_courier::Party;
use host_gate::Accepted;
use host_model::Outcome;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::outbox::{Cursor, Next};
use super::{External, TokenRecord};
use crate::FleetError;
use crate::fleet::Fleet;

/// How often a stream on which nothing happens looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A witness: made by [`Fleet::bearer`] for a valid token and nowhere else.
pub struct Bearer {
    fleet: Fleet,
    external: Arc<External>,
    token: TokenRecord,
}

/// What comes out of a stream.
pub enum Streamed {
    /// A message, and the cursor that acknowledges it and all before it.
    Message(Cursor, Arc<Accepted>),
    /// The last of it: another stream of the same agent took its place.
    Replaced,
}

/// The messages of one external agent, as they come, until another stream takes its place or its token ends.
pub struct Stream {
    bearer: Arc<Bearer>,
    _room: OwnedSemaphorePermit,
    opened: u64,
    number: u64,
    until: Instant,
    over: bool,
}

impl Bearer {
    pub(super) fn new(fleet: Fleet, external: Arc<External>, token: TokenRecord) -> Self {
        Self { fleet, external, token }
    }

    /// The agent as a principal, while it and its tenant take work.
    pub fn at_work(&self) -> Result<&Arc<Party>, FleetError> {
        self.external.at_work()
    }

    /// Whether the token proves something still.
    fn is_valid(&self) -> bool {
        self.fleet.token_book().holds(&self.token.digest, self.fleet.parts().clock.now())
    }

    /// Settles everything that was handed out up to and including this cursor, and says how much. One that means nothing any more
    /// settles nothing: what it stood for is handed out again.
    pub fn acknowledge(&self, cursor: Cursor) -> Result<usize, FleetError> {
        let party = self.at_work()?;
        let settled = self.external.outbox.acknowledge(cursor);
        for accepted in &settled {
            self.fleet.parts().courier.settle(party, accepted, Outcome::Done(None));
        }
        Ok(settled.len())
    }

    /// Streams what is not acknowledged, from the beginning, and ends the stream before it.
    pub fn stream(self: &Arc<Self>) -> Result<Stream, FleetError> {
        self.at_work()?;
        let room = self.fleet.tenant(&self.token.tenant)?.stream_room()?;
        let (opened, number) = self.fleet.listen(&self.external);
        let left_ms = self.token.expires.as_millis().saturating_sub(self.fleet.parts().clock.now().as_millis());
        let until = Instant::now() + Duration::from_millis(left_ms);
        Ok(Stream { bearer: self.clone(), _room: room, opened, number, until, over: false })
    }
}

impl Stream {
    /// What comes next; `None` when nothing will.
    pub async fn next(&mut self) -> Option<Streamed> {
        loop {
            let outbox = self.bearer.external.outbox.clone();
            // Before it is asked what there is: what comes in between is not missed.
            let mut changed = std::pin::pin!(outbox.changed());
            changed.as_mut().enable();
            // Looked at each time: its tenant may be held back meanwhile.
            let now = Instant::now();
            if self.over || self.bearer.at_work().is_err() || !self.bearer.is_valid() || now >= self.until {
                return None;
            }
            match outbox.next(self.opened, self.number) {
                Next::Message(cursor, accepted) => {
                    self.number = cursor.number() + 1;
                    return Some(Streamed::Message(cursor, accepted));
                }
                Next::Replaced => {
                    self.over = true;
                    return Some(Streamed::Replaced);
                }
                Next::Closed => return None,
                Next::Nothing => {}
            }
            // Past its end, or that of its tenant's work, the loop says so.
            let _ = tokio::time::timeout_at(self.until.min(now + LOOK_EVERY), changed).await;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.bearer.fleet.leave(&self.bearer.external, self.opened);
    }
}
