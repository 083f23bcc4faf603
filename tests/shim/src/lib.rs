//! Remembers what stood in a file before each write to it, until the write is synced.
//!
//! Loaded into a process before its C library (`LD_PRELOAD`), with `SHIM_DIR` and `SHIM_LOG` naming two folders: of each file below
//! the one, the other has a log of the writes that no `fsync` or `fdatasync` has covered yet, with what stood there before. Whoever
//! has killed the process can then leave of its files what a power cut might have left (`tests/torture`). `docs/assurance.md` says
//! what is seen of a process and what is not.
//!
//! This crate is the one place beside the two that map compiled code where `unsafe` is allowed: to stand in for functions of the C
//! library is to export their names and to take their pointers. It runs in tests alone, and no part of the host links it.
#![expect(unsafe_code, reason = "stands in for functions of the C library, whose callers pass it pointers")]

mod clock;
mod entries;
mod failure;
mod hooks;
mod log;
mod raw;
mod shim;
mod target;
