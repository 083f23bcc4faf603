//! The checkpoint itself: what `admit` and `accept` have in common.

use crate::MessageLimits;

/// The rules in force. One for the host; what differs by agent comes in with the call.
#[derive(Debug, Clone)]
pub struct Gate {
    pub(crate) limits: MessageLimits,
}

impl Gate {
    /// A gate with the host's limits on messages.
    pub fn new(limits: MessageLimits) -> Self {
        Self { limits }
    }

    /// The host's limits on messages.
    pub fn limits(&self) -> &MessageLimits {
        &self.limits
    }
}
