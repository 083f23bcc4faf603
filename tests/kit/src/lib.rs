//! The tests' harness: the real binary in a process of its own, spoken to as its users speak to it.
//!
//! Each test starts the host it needs on a free port and a data directory of its own, so that tests share nothing and any of them
//! can stop, kill or damage its host. What a harness cannot do, it says by panicking: there is no test without it.
#![expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a harness says what went wrong by panicking, everywhere"
)]

mod api;
pub mod audit;
pub mod bus;
pub mod chance;
mod cli;
pub mod gate;
pub mod guest;
mod host;
mod mqtt;
mod nats;
mod nats_accounts;
mod oracle;
mod package;
mod paths;
mod process;
mod stream;
mod template;
mod wait;
mod watch;

pub use api::{Answer, Api};
pub use async_nats;
pub use cli::Ran;
pub use host::{Host, Setup};
pub use mqtt::Mqtt;
pub use nats::{NatsCluster, NatsServer, NatsSetup, Proxy, free_port};
pub use nats_accounts::AccountsServer;
pub use oracle::{Leak, Oracle, Report, SinkSeen};
pub use package::Package;
pub use paths::{built, canary, repo};
pub use process::Ended;
pub use stream::{Event, Stream};
pub use wait::{aside, eventually};
pub use watch::{Seen, Watch};
