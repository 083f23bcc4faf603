//! What is asked, and what comes back.

use std::fmt;
use std::sync::Arc;

use host_model::{Grants, TenantId};
use host_quota::Budget;

use crate::{ResponseBody, Waits};

/// A header as it travels: a value need not be text.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// Never the value: what an agent sends and gets is its own.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} bytes", self.name, self.value.len())
    }
}

/// A request of an agent. Its texts are the guest's: nothing about them has been checked.
pub struct EgressRequest<'a> {
    /// Whose agent it is.
    pub tenant: &'a TenantId,
    /// What the agent was granted.
    pub grants: &'a Grants,
    /// The tenant's requests under way.
    pub under_way: &'a Arc<Budget>,
    /// The method.
    pub method: &'a str,
    /// The URL, whole.
    pub url: &'a str,
    /// The headers, in order.
    pub headers: Vec<Header>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// How long the guest would wait.
    pub waits: Waits,
}

/// The head of a response, and its body still on the way.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, in order.
    pub headers: Vec<Header>,
    /// The rest.
    pub body: ResponseBody,
}
