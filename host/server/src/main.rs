//! The binary `bailiwick`.
fn main() {}
