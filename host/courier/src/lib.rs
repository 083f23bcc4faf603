//! The way of a message, and one module per capability behind [`host_calls::HostCalls`].
//!
//! Everything an agent, an operator or a reply sends goes through [`Courier`]: it asks the gate, hands to the bus, and on the
//! other side asks the gate again before a mailbox gets anything.

mod arrivals;
mod audit;
mod courier;
mod deaths;
mod discovery;
mod door;
mod held;
mod http;
mod keeping;
mod leases;
mod logs;
mod messaging;
mod party;
mod refusal;
mod replies;
#[cfg(test)]
mod samples;
mod shadow;
mod spending;
mod state;
mod storage;
mod switch;
mod watch;

pub use courier::{Courier, CourierParts, Pending};
pub use keeping::{Post, PostTarget};
pub use logs::{LogBook, LogQuery, LogRecord, LogStream};
pub use party::{Counters, CountersView, Mail, Party};
pub use shadow::{Shadow, ShadowTally, WouldDeny};
pub use state::{StateOp, StateStore, StateWrite, Value};
pub use storage::{FileOp, FileStore};
pub use switch::Switch;
pub use watch::{Seen, Watch};
