//! What xtask reads from its surroundings, in one place.
#![expect(clippy::disallowed_methods, reason = "this is the one place that the rule asks for")]

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

/// The cargo that runs us, so that a `cargo +TOOLCHAIN xtask` stays on its toolchain.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A rustup toolchain for guests alone, for machines where rustup cannot download the wasm target (see `.ci/run`).
pub(crate) fn guest_toolchain() -> Option<OsString> {
    env::var_os("XTASK_GUEST_TOOLCHAIN").filter(|name| !name.is_empty())
}

/// Colour only for a reader: a terminal that has not asked for none.
pub(crate) fn colour_wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && io::stdout().is_terminal()
}

/// The caller's own settings of Bailiwick, which must not reach the demo's host or client.
pub(crate) fn bailiwick_settings() -> impl Iterator<Item = OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("BAILIWICK_"))
}
