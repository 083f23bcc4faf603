//! Why not, in numbers.

use serde::{Deserialize, Serialize};

/// The numbers of a refusal. `code` is a stable word from the host's own vocabulary, never guest text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalNumbers {
    /// A stable word, such as `mailbox-full`.
    pub code: String,
    /// The limit that was hit, in the unit the code implies.
    pub limit: Option<u64>,
    /// What was asked for.
    pub actual: Option<u64>,
    /// When trying again can make sense, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl RefusalNumbers {
    /// A refusal without numbers.
    pub fn of(code: &str) -> Self {
        Self { code: code.to_owned(), limit: None, actual: None, retry_after_ms: None }
    }

    /// With the limit that was hit and what was asked for.
    #[must_use]
    pub fn past(self, limit: u64, actual: u64) -> Self {
        Self { limit: Some(limit), actual: Some(actual), ..self }
    }

    /// With the time after which trying again can make sense.
    #[must_use]
    pub fn retry_after_ms(self, retry_after_ms: u64) -> Self {
        Self { retry_after_ms: Some(retry_after_ms), ..self }
    }
}

/// An expected refusal, with the cases of WIT's `denied`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Not allowed.
    #[error("not granted: {}", .0.code)]
    NotGranted(RefusalNumbers),
    /// No such thing here, or none of yours.
    #[error("not found")]
    NotFound,
    /// The call's words are off.
    #[error("invalid: {}", .0.code)]
    Invalid(RefusalNumbers),
    /// Larger than allowed.
    #[error("too large: {}", .0.code)]
    TooLarge(RefusalNumbers),
    /// A quota is used up for now.
    #[error("over quota: {}", .0.code)]
    OverQuota(RefusalNumbers),
    /// The receiver cannot take more at the moment.
    #[error("backpressure: {}", .0.code)]
    Backpressure(RefusalNumbers),
    /// No answer in time.
    #[error("timed out: {}", .0.code)]
    TimedOut(RefusalNumbers),
    /// The host cannot do it at the moment.
    #[error("unavailable: {}", .0.code)]
    Unavailable(RefusalNumbers),
    /// Anything else.
    #[error("refused: {}", .0.code)]
    Other(RefusalNumbers),
}

impl Refusal {
    /// The stable word.
    pub fn code(&self) -> &str {
        self.numbers().map_or("not-found", |numbers| &numbers.code)
    }

    /// The numbers; what is not found has none.
    pub fn numbers(&self) -> Option<&RefusalNumbers> {
        match self {
            Self::NotFound => None,
            Self::NotGranted(n)
            | Self::Invalid(n)
            | Self::TooLarge(n)
            | Self::OverQuota(n)
            | Self::Backpressure(n)
            | Self::TimedOut(n)
            | Self::Unavailable(n)
            | Self::Other(n) => Some(n),
        }
    }
}
