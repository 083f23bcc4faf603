//! Attacks on the wire, against the real server: each with credentials that the host made.

mod attacks;
mod bench;
mod drafts;
mod lifetimes;
mod limits;
mod secrets;
