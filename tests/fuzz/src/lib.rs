//! Fuzzing on the stable toolchain: inputs that are nearly good, made from one number each, so that a number repeats a case.
//!
//! Bolero was looked at and left: its derive crate pins an older `indexmap` than wasmtime builds with and would bring second versions
//! of four crates, its engine for plain tests cannot be given a seed, and without a nightly compiler it is not guided by coverage.
#![expect(clippy::indexing_slicing, reason = "a fuzzer says what is wrong by stopping; every index is one of its own")]

mod codec;
mod documents;
mod envelope;
mod guest;
mod keys;
mod messages;
mod mutate;
mod outsider;
mod spelling;
mod target;
#[cfg(test)]
mod tests;
pub mod timing;
mod words;

pub use target::{Fault, TARGETS, Tally, Target, Verdict};
