//! The host's own way out.
