//! Lists, a page at a time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items on a page unless asked otherwise.
pub const LIMIT_DEFAULT: usize = 100;
/// The most items on a page.
pub const LIMIT_MAX: usize = 1_000;

/// Some items, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// In the list's own order.
    pub items: Vec<T>,
    /// Give it as `cursor` to read on; null on the last page. Opaque.
    pub next: Option<String>,
}
