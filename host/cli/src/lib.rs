//! The commands of operators and authors: REST, except what works offline.
//!
//! [`Verb`] is flattened into the binary's own verbs by `server`. What a command prints on standard output is its result and
//! nothing else; progress, notes and errors go to standard error. Nothing it prints can steer a terminal.

mod agent;
mod audit;
mod client;
mod connect;
mod data;
mod error;
mod group;
mod inspect;
mod json;
mod message;
mod offline;
mod policy;
mod print;
mod queue;
mod stream;
mod tenant;
mod text;
mod topic;
mod usage;
mod vault;
mod verb;

pub use verb::{Verb, run};
