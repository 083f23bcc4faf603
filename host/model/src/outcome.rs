//! How handling a message ended.

use serde::{Deserialize, Serialize};

use crate::Draft;

/// Why a call was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrapCause {
    /// The guest trapped by itself: `unreachable`, a bad access, an overflow.
    Trap,
    /// The fuel of the message was spent.
    Fuel,
    /// The instance, or its tenant, asked for more memory than allowed, and the guest could not go on.
    Memory,
    /// The deadline passed.
    Timeout,
    /// The host could not run it: no slot was free, or an error of its own.
    Host,
}

impl TrapCause {
    /// The cause as logs, API and dead letters name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::Host => "host",
        }
    }
}

/// How handling one message ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The agent is done with it, and may have an answer.
    Done(Option<Draft>),
    /// It may work later.
    Retry {
        /// Not before this many milliseconds have passed.
        after_ms: Option<u32>,
        /// What the agent said, bounded.
        reason: String,
    },
    /// It never will.
    Rejected {
        /// What the agent said, bounded.
        reason: String,
    },
    /// The call was cut off.
    Trapped {
        /// Why.
        cause: TrapCause,
        /// More words, bounded and without control characters.
        detail: String,
    },
}
