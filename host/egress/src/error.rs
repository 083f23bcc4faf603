//! Why a request was not made, or did not end well.

use std::error::Error;
use std::time::Duration;

use host_quota::OverBudget;

use crate::{BadHeader, BadUrl};

/// Why not. What a guest is told is the kind alone: which address a name stands for, and whether something listens there, is the
/// host's to know ([`EgressError::Unavailable`] carries it for the log).
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Not a URL that can be called.
    #[error("not a URL that can be called")]
    Url(#[from] BadUrl),
    /// Not a method, or one that changes what the connection is.
    #[error("not a method that can be sent")]
    Method,
    /// A header that a guest cannot send.
    #[error("a header that cannot be sent")]
    Header(#[from] BadHeader),
    /// The agent was not granted this host, or its tenant may not call it.
    #[error("the host is not granted")]
    NotGranted,
    /// A placeholder of a secret that the agent was not granted, that is not bound to this URL, or that is not there.
    #[error("the secret is not granted for this URL")]
    SecretNotGranted,
    /// The tenant has as many requests under way as it may.
    #[error("too many requests are under way")]
    TooMany(#[from] OverBudget),
    /// The body is larger than allowed.
    #[error("a request of {len} bytes, where {len_max} are allowed")]
    RequestTooLarge {
        /// Bytes of the body.
        len: u64,
        /// Bytes that are allowed.
        len_max: u64,
    },
    /// The response is larger than allowed.
    #[error("a response past {len_max} bytes")]
    ResponseTooLarge {
        /// Bytes that are allowed.
        len_max: u64,
    },
    /// It took too long.
    #[error("nothing came for {after:?}")]
    TimedOut {
        /// The wait that was over.
        after: Duration,
    },
    /// It could not be reached, its address is not allowed, its certificate is not its own, or it does not speak HTTP.
    #[error("it cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
