//! More headers than a host can hold.

use serde_json::{Value, json};
use wasip2::http::types::Fields;

/// So many that a map of the host's would end (CVE-2026-27572).
const MANY: usize = 40_000;
const LARGE: usize = 10 << 20;

/// Appends headers until one is refused.
pub(crate) fn many() -> Value {
    let fields = Fields::new();
    let refused = (0..MANY).find_map(|number| Some((number, fields.append(&format!("a{number}"), b"b").err()?)));
    json!({ "after": refused.as_ref().map(|(number, _)| number), "error": format!("{refused:?}") })
}

/// One header of ten MiB.
pub(crate) fn large() -> Value {
    let refused = Fields::new().append("a", &vec![b'x'; LARGE]).err();
    json!({ "error": format!("{refused:?}") })
}
