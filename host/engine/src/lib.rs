//! Runs components: compiles them elsewhere, links what was granted, limits and calls them.
//!
//! The only crate that sees wasmtime. What a guest asks goes to [`host_calls::HostCalls`]; no bus, store or tenant table is known
//! here.

mod artifact;
mod bindings;
mod bounded;
mod compile;
mod cutoff;
mod engine;
mod host;
mod http;
mod program;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod ticker;
mod wasi;

pub use compile::{CompilerSettings, compile_stdin};
pub use cutoff::CutOff;
pub use engine::{Engine, EngineError};
pub use program::{Handled, Incoming, Program, Resident};
pub use settings::{EngineSettings, MEMORY_BYTES_MAX, Pool};
pub use state::Birth;
pub use ticker::TICK;
