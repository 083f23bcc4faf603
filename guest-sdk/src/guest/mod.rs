//! The component side: bindings, and what the export macros call. Public only for those macros; not part of the promise.

mod bindings;
mod convert;
mod imports;
pub mod inbox;
mod kept;
pub mod lifecycle;
mod slot;

pub use bindings::inbox as inbox_bindings;
pub use bindings::inbox::export_inbox;
pub use bindings::lifecycle as lifecycle_bindings;
pub use bindings::lifecycle::export_lifecycle;
pub use slot::Slot;
