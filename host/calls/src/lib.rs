//! What an agent can ask of the host, as plain owned data: the seam between a sandbox and everything behind it.
//!
//! Knows no wasmtime and no bus. One method carries all ([`HostCalls::call`]), so that a sandbox in another process can put a
//! pipe in between (`tests/it` does so from the first day).

mod call;
mod http;
mod lease;
mod price;
mod refusal;
mod state;
mod storage;
mod text;

pub use call::{Answer, BatchItem, CallId, Context, HostCall, HostCalls, HostReply, LogLevel, LogLine, LogSource};
pub use http::{HttpCall, HttpHeader, HttpOpen, HttpReply, HttpWaits, REQUEST_BYTES_MAX, is_forbidden_header};
pub use lease::{LEASE_BASE, LEASE_GRANT, LeaseCall, LeaseReply, LeaseView};
pub use price::{CALL_BASE, Price, ROUTED_BASE, WASI_CALL, price_of_call, price_of_reply};
pub use refusal::{Refusal, RefusalNumbers};
pub use state::{ENTRY_PRICE, PAGE_LEN_MAX, STATE_BASE, STATE_TTL_MS_MAX, STATE_VALUE_LEN_MAX, StateCall, StateReply};
pub use storage::{FILE_CHUNK_LEN_MAX, FileEntry, FileStat, STORAGE_BASE, StorageCall, StorageReply};
pub use text::inert;
