//! The one mailbox of the run, which writes down what was put into it.

use std::sync::Arc;

use host_gate::Accepted;
use host_mailbox::{Address, Mailbox, Push};
use host_model::{Caller, Envelope};
use parking_lot::Mutex;

/// A message that came to a receiver's mailbox.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) receiver: Arc<Caller>,
    pub(crate) envelope: Envelope,
    /// It was full: the message is lost for this receiver.
    pub(crate) full: bool,
}

/// All receivers' queues, and what came in since it was last asked.
#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) mailbox: Mutex<Mailbox>,
    pushed: Mutex<Vec<Pushed>>,
}

impl Lane {
    pub(crate) fn push(&self, address: Address, accepted: Accepted) -> Result<(), Push> {
        let (receiver, envelope) = (accepted.receiver().clone(), accepted.envelope().clone());
        let taken = self.mailbox.lock().push(address, accepted);
        let full = matches!(taken, Err(Push::Full(_)));
        if taken.is_ok() || full {
            self.pushed.lock().push(Pushed { receiver, envelope, full });
        }
        taken
    }

    pub(crate) fn take_pushed(&self) -> Vec<Pushed> {
        std::mem::take(&mut self.pushed.lock())
    }
}

/// The courier's way into one queue of the lane.
pub(crate) struct Slot {
    pub(crate) lane: Arc<Lane>,
    pub(crate) address: Address,
}

impl host_courier::Mail for Slot {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        self.lane.push(self.address, accepted)
    }
}
