//! The way out against real sockets: servers on the loopback that record what reaches them, names that stand for what a test says.

mod abuse;
mod isolation;
mod secrets;
mod server;
mod world;
