//! The host's own way out: agents' HTTP requests, and nothing that they do not name.
//!
//! Refuses first by grammar, then by the agent's grants, then by its tenant's policy, and last by the address that a name stands
//! for. A name is resolved once, and what is connected to is the address that was checked, so that no second answer of a
//! name server counts. Nothing is followed, kept or added: no redirects, no cookies, no proxy, no decompression.

mod address;
mod body;
mod connector;
mod egress;
mod error;
mod headers;
mod limits;
mod policy;
mod pools;
mod request;
mod resolve;
mod secret;
#[cfg(test)]
mod tests;
mod tls;
mod url;

pub use address::is_global;
pub use body::ResponseBody;
pub use egress::{Egress, EgressParts};
pub use error::EgressError;
pub use headers::BadHeader;
pub use limits::{BadEgressLimit, EgressLimits, Waits};
pub use policy::{DenyAll, EgressPolicy, NoSecrets, SecretSource};
pub use request::{EgressRequest, Header, Response};
pub use resolve::{Resolve, SystemResolve};
pub use secret::secrets_named;
pub use tls::{Authorities, BadAuthorities};
pub use url::{BadUrl, Url};
