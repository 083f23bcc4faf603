//! Each verb once.
