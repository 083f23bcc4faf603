//! Real NATS servers, one or several, the way between them and a host, and what can go wrong with either.

mod blocks;
mod cluster;
mod proxy;
mod server;
mod setup;

pub use cluster::NatsCluster;
pub use proxy::Proxy;
pub use server::NatsServer;
pub(crate) use server::{binary, listen};
pub use setup::NatsSetup;
pub use setup::free_port;
