//! The TOML library's errors as one line each: which key, which line, what to do.

use super::value::UNAVAILABLE;
use crate::ManifestError;
use crate::error::one_line;

/// A text that is not TOML.
pub(super) fn syntax(text: &str, cause: &toml::de::Error) -> ManifestError {
    let line = line_at(text, cause.span().map_or(text.len(), |span| span.start));
    ManifestError::Syntax { line, problem: one_line(cause.message()) }
}

/// TOML that is not a manifest.
pub(super) fn key(text: &str, cause: toml::de::Error) -> ManifestError {
    let Located { key, line, problem } = locate(text, cause);
    if problem == UNAVAILABLE {
        ManifestError::Unavailable { key, line }
    } else {
        ManifestError::Key { key, line, problem }
    }
}

/// What is off, where: in the words of whoever wrote the document.
pub(crate) struct Located {
    /// The key with its tables: `grants.http`.
    pub(crate) key: String,
    /// From 1, where it is known.
    pub(crate) line: Option<usize>,
    /// One line, bounded.
    pub(crate) problem: String,
}

/// Where the TOML library's error is, and what it says.
pub(crate) fn locate(text: &str, cause: toml::de::Error) -> Located {
    let line = cause.span().map(|span| line_at(text, span.start));
    let message = cause.message().to_owned();
    let parent = keys_of(cause);
    let (child, problem) = plain(&message);
    let key: Vec<&str> = [parent.as_str(), child].into_iter().filter(|part| !part.is_empty()).collect();
    Located { key: one_line(&key.join(".")), line, problem: one_line(&problem) }
}

/// A key whose value was read and cannot be meant.
pub(super) fn value(text: &str, key: &str, offset: Option<usize>, problem: &str) -> ManifestError {
    ManifestError::Key {
        key: one_line(key),
        line: offset.map(|offset| line_at(text, offset)),
        problem: one_line(problem),
    }
}

/// The line of a place, from 1.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The tables and keys that lead to the error. The library tells them only in its text, and there only without the
/// input.
fn keys_of(mut cause: toml::de::Error) -> String {
    cause.set_input(None);
    let text = cause.to_string();
    let keys = text.trim_end().rsplit_once("\nin `").and_then(|(_, keys)| keys.strip_suffix('`'));
    keys.unwrap_or_default().to_owned()
}

/// Serde's words in a user's: the key that the message names, if any, and what to do.
fn plain(message: &str) -> (&str, String) {
    if let Some((key, expected)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "))
    {
        return (key, format!("unknown key: expected {expected}"));
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return (key, "missing: add it".to_owned());
    }
    ("", message.to_owned())
}
