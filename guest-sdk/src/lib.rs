//! Write Bailiwick agents in Rust.
//!
//! An agent is a value with one duty, [`Agent::handle`]. Everything it may ask of the world goes through [`Host`], which it is
//! handed as `&impl Host`: calls it never makes are not compiled in, so the component imports exactly what it uses, and its
//! import list is its capability list.
//!
//! ```
//! use bailiwick_sdk::{Agent, Draft, Host, Message, Outcome, export_agent};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Order { item: String, pieces: u32 }
//!
//! #[derive(Serialize)]
//! struct Accepted<'a> { item: &'a str }
//!
//! #[derive(Default)]
//! struct Clerk;
//!
//! impl Agent for Clerk {
//!     fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
//!         let order: Order = message.json()?;
//!         bailiwick_sdk::info!(host, "{} pieces ordered", order.pieces);
//!         host.publish("order.accepted", Draft::json("order.accepted", &Accepted { item: &order.item })?)?;
//!         Ok(None)
//!     }
//! }
//!
//! export_agent!(Clerk);
//!
//! // The same agent, tested on this machine, without Wasm and without a host:
//! use bailiwick_sdk::double::{self, Double};
//!
//! let host = Double::default();
//! let order = double::event("order.placed", Draft::text("order.placed", r#"{"item": "lamp", "pieces": 2}"#));
//! assert_eq!(host.deliver(&mut Clerk, order), Ok(None));
//! assert_eq!(host.published("order.accepted").len(), 1);
//! ```
//!
//! Every `?` in a handler ends in a [`Failure`]: a payload that does not parse is rejected for good, a refusal that passes with
//! time ([`Denied::is_transient`]) asks for another try, any other refusal rejects.

mod agent;
mod discovery;
pub mod double;
mod draft;
mod error;
#[doc(hidden)]
pub mod export;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod host;
mod leases;
mod log;
mod message;
mod state;
mod storage;

pub use agent::{Agent, Outcome, Resident};
pub use discovery::{Card, Query, Skill};
pub use draft::{Draft, Header, JSON, TEXT, Target};
pub use error::{Denied, Failure, PayloadError, Refusal};
pub use host::{Host, Level, Receipt};
pub use leases::{Lease, Leases};
pub use message::Message;
pub use state::{KeyPage, State};
pub use storage::{Entry, EntryPage, Stat, Storage};
