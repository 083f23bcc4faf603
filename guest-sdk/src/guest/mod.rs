//! The component side: bindings, and what the export macros call. Public only for those macros; not part of the promise.

mod bindings;
mod convert;
mod imports;
pub mod inbox;
pub mod lifecycle;

use std::cell::RefCell;

pub use bindings::inbox as inbox_bindings;
pub use bindings::inbox::export_inbox;
pub use bindings::lifecycle as lifecycle_bindings;
pub use bindings::lifecycle::export_lifecycle;

/// Where an instance keeps its agent. The component model lets nobody in while a call is under way, so it is never borrowed
/// twice.
pub type Slot<A> = RefCell<A>;
