//! Torture.
#![expect(clippy::indexing_slicing, reason = "of JSON, where what is not there is null, and of files that are read whole")]
mod cut;
fn main() {}
