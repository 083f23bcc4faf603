//! Makes text from elsewhere harmless to a terminal.

use std::fmt::Write as _;

/// Text on one line, with everything a terminal could act on escaped.
pub(crate) fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Compact JSON on one line, with everything a terminal could act on escaped as JSON does it.
///
/// Takes JSON text alone: there, a control character outside a string is white space, and within one is above U+007E.
pub(crate) fn inert_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if acts(c) => push_json_escape(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

/// Text of several lines, with everything else a terminal could act on escaped.
pub(crate) fn inert_lines(text: &str) -> String {
    text.split('\n').map(inert).collect::<Vec<_>>().join("\n")
}

/// The beginning of a text, of at most `len_max` characters.
pub(crate) fn excerpt(text: &str, len_max: usize) -> String {
    match text.char_indices().nth(len_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Controls (C0, DEL, C1), line separators, and what turns the direction of text.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_json_escape(out: &mut String, c: char) {
    // Each of these is below U+10000, so one escape says it. Writing to a String cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(inert("plain é 漢 text"), "plain é 漢 text");
        assert_eq!(inert("a\u{1b}[31m\n\u{9b}2J\u{202e}\u{7f}"), "a\\u{1b}[31m\\n\\u{9b}2J\\u{202e}\\u{7f}");
        assert_eq!(inert_lines("a\nb\u{1b}"), "a\nb\\u{1b}");
    }

    #[test]
    fn json_stays_the_same_json() {
        let hostile = "{\"a\":\n\"\u{9b}\u{202e}\u{7f}\"}";
        let safe = inert_json(hostile);
        assert_eq!(safe, "{\"a\": \"\\u009b\\u202e\\u007f\"}");
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&safe), read(hostile));
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt("éé", 2), "éé");
        assert_eq!(excerpt("ééé", 2), "éé…");
    }
}
