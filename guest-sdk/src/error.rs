//! How things go wrong: the host refuses ([`Denied`]), a body does not fit ([`PayloadError`]), a handler gives up ([`Failure`]).
//!
//! Both of the first turn into the last, so that `?` in a handler does what an author would have written by hand.

use std::{fmt, str::Utf8Error, time::Duration};

/// Why not, in numbers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refusal {
    /// A stable word, such as `publish-not-granted` or `mailbox-full`.
    pub code: String,
    /// The limit that was hit, in the unit the code implies.
    pub limit: Option<u64>,
    /// What was asked for, in the same unit.
    pub actual: Option<u64>,
    /// When trying again can make sense.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that is only a word.
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        match (self.actual, self.limit) {
            (Some(actual), Some(limit)) => write!(f, " ({actual} asked, limit {limit})"),
            (None, Some(limit)) => write!(f, " (limit {limit})"),
            (Some(actual), None) => write!(f, " ({actual} asked)"),
            (None, None) => Ok(()),
        }
    }
}

/// An expected refusal by the host: handle it, or pass it on with `?`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denied {
    /// The manifest or the tenant's policy does not allow it.
    #[error("not granted: {0}")]
    NotGranted(Refusal),
    /// No such agent here. The same answer whether it never existed, is stopped, or is another tenant's.
    #[error("not found")]
    NotFound,
    /// The call's words are off: a bad topic, header or option.
    #[error("invalid: {0}")]
    Invalid(Refusal),
    /// Larger than allowed.
    #[error("too large: {0}")]
    TooLarge(Refusal),
    /// A quota is used up for now.
    #[error("over quota: {0}")]
    OverQuota(Refusal),
    /// The receiver cannot take more at the moment.
    #[error("back-pressure: {0}")]
    Backpressure(Refusal),
    /// No answer within the deadline.
    #[error("timed out: {0}")]
    TimedOut(Refusal),
    /// The host cannot do it at the moment.
    #[error("unavailable: {0}")]
    Unavailable(Refusal),
    /// Anything else; the code says what.
    #[error("denied: {0}")]
    Other(Refusal),
}

impl Denied {
    /// The numbers. `None` only for [`Denied::NotFound`], which must not say more.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::NotFound => None,
            Self::NotGranted(refusal)
            | Self::Invalid(refusal)
            | Self::TooLarge(refusal)
            | Self::OverQuota(refusal)
            | Self::Backpressure(refusal)
            | Self::TimedOut(refusal)
            | Self::Unavailable(refusal)
            | Self::Other(refusal) => Some(refusal),
        }
    }

    /// Whether the same call may be taken later: over quota, back-pressure, timed out, unavailable.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::OverQuota(_) | Self::Backpressure(_) | Self::TimedOut(_) | Self::Unavailable(_))
    }
}

/// A body that is not what the code expects, or a value that cannot be a body.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The body does not parse as the wanted type.
    #[error("payload does not parse: {cause}")]
    Decode {
        /// What the parser met.
        #[source]
        cause: serde_json::Error,
    },
    /// The body is not UTF-8.
    #[error("payload is not text: {cause}")]
    NotText {
        /// Where it stops being UTF-8.
        #[source]
        cause: Utf8Error,
    },
    /// The value has no JSON form.
    #[error("value has no JSON form: {cause}")]
    Encode {
        /// What the serializer met.
        #[source]
        cause: serde_json::Error,
    },
}

/// How handling a message fails on purpose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// It may work later.
    Retry {
        /// Not before this has passed, rounded to milliseconds; the host decides where none is given.
        after: Option<Duration>,
        /// For the log and the dead letter.
        reason: String,
    },
    /// It never will; the text says why.
    Reject(String),
}

impl Failure {
    /// Asks for another try at a time of the host's choosing.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { after: None, reason: reason.into() }
    }

    /// Gives the message up for good.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(reason.into())
    }
}

impl From<PayloadError> for Failure {
    /// The same bytes will not parse next time either.
    fn from(error: PayloadError) -> Self {
        Self::reject(error.to_string())
    }
}

impl From<Denied> for Failure {
    /// What passes with time is tried again, not before the host's own hint; the rest is rejected.
    fn from(denied: Denied) -> Self {
        let reason = denied.to_string();
        if !denied.is_transient() {
            return Self::Reject(reason);
        }
        Self::Retry { after: denied.refusal().and_then(|refusal| refusal.retry_after), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_tried_again_only_if_it_passes_with_time() {
        let check = |denied: fn(Refusal) -> Denied, transient: bool| {
            let failure = Failure::from(denied(Refusal::new("code")));
            assert_eq!(matches!(failure, Failure::Retry { .. }), transient, "{failure:?}");
        };
        check(Denied::OverQuota, true);
        check(Denied::Backpressure, true);
        check(Denied::TimedOut, true);
        check(Denied::Unavailable, true);
        check(Denied::NotGranted, false);
        check(Denied::Invalid, false);
        check(Denied::TooLarge, false);
        check(Denied::Other, false);
        assert_eq!(Failure::from(Denied::NotFound), Failure::reject("not found"));
    }

    #[test]
    fn a_retry_keeps_the_hosts_hint() {
        let refusal = Refusal { retry_after: Some(Duration::from_millis(250)), ..Refusal::new("mailbox-full") };
        let expected =
            Failure::Retry { after: Some(Duration::from_millis(250)), reason: "back-pressure: mailbox-full".into() };
        assert_eq!(Failure::from(Denied::Backpressure(refusal)), expected);
    }

    #[test]
    fn a_refusal_says_the_numbers_it_has() {
        let check = |limit, actual, text: &str| {
            assert_eq!(Refusal { limit, actual, ..Refusal::new("body") }.to_string(), text);
        };
        check(Some(4), Some(5), "body (5 asked, limit 4)");
        check(Some(4), None, "body (limit 4)");
        check(None, Some(5), "body (5 asked)");
        check(None, None, "body");
    }
}
