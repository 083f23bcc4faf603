//! Who waits for which answer.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_bus::{Inbound, NotTaken};
use host_calls::{Refusal, RefusalNumbers};
use host_gate::{Accepted, Delivery, Receiver};
use host_model::{Caller, Destination, ReplyToken};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::arrivals::{Arrivals, NotAccepted};

/// Open requests, by the token their answer must carry. Bounded by the tenants' budgets of open requests.
pub(crate) struct Replies {
    arrivals: Arc<Arrivals>,
    waiting: Mutex<HashMap<ReplyToken, Asker, RandomState>>,
}

struct Asker {
    caller: Arc<Caller>,
    answer: oneshot::Sender<Result<Accepted, Refusal>>,
}

/// One open request. Dropping it stops waiting.
pub(crate) struct Open {
    replies: Arc<Replies>,
    token: ReplyToken,
    answer: oneshot::Receiver<Result<Accepted, Refusal>>,
}

impl Replies {
    pub(crate) fn new(arrivals: Arc<Arrivals>) -> Self {
        Self { arrivals, waiting: Mutex::default() }
    }

    pub(crate) fn open(self: &Arc<Self>, caller: Arc<Caller>, token: ReplyToken) -> Open {
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().insert(token, Asker { caller, answer: sender });
        Open { replies: self.clone(), token, answer }
    }

    /// Ends a wait that no answer will end: the receiver is done and had none.
    pub(crate) fn give_up(&self, token: ReplyToken, code: &str) {
        if let Some(asker) = self.waiting.lock().remove(&token) {
            // Whoever asked may have stopped waiting.
            let _ = asker.answer.send(Err(Refusal::Other(RefusalNumbers::of(code))));
        }
    }
}

impl Inbound for Replies {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let token = token_of(&delivery).ok_or(NotTaken::Refused)?;
        // An answer that comes too late finds nobody, like one with a made-up token.
        let caller = self.waiting.lock().get(&token).map(|asker| asker.caller.clone()).ok_or(NotTaken::Refused)?;
        let receiver = Receiver::Asker { caller: &caller, token };
        let accepted = self.arrivals.accept(delivery, receiver).map_err(|NotAccepted| NotTaken::Refused)?;
        // Only what was accepted ends the wait.
        let asker = self.waiting.lock().remove(&token).ok_or(NotTaken::Refused)?;
        asker.answer.send(Ok(accepted)).map_err(|_| NotTaken::Refused)
    }
}

/// Where an answer is awaited, as its stamp or its subject says; both are compared with what was signed.
fn token_of(delivery: &Delivery) -> Option<ReplyToken> {
    match delivery {
        Delivery::Local(stamped) => match stamped.envelope().to {
            Destination::Reply { token, .. } => Some(token),
            _ => None,
        },
        Delivery::Sealed { address, .. } => address.strip_prefix("replies.")?.parse().ok(),
        _ => None,
    }
}

impl Open {
    /// The answer, or why there will be none. Waits as long as nobody ends it: bound it by a deadline.
    pub(crate) async fn answer(mut self) -> Result<Accepted, Refusal> {
        (&mut self.answer).await.unwrap_or_else(|_| Err(Refusal::Unavailable(RefusalNumbers::of("stopping"))))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.replies.waiting.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests;
