//! Guest text made inert before it reaches a log, an error or a screen.

use std::fmt::Write as _;

/// At most `len_max` bytes of `raw`, cut at a character's border, with control characters, line separators and characters that
/// turn the direction of text around written as escapes.
pub fn inert(raw: &str, len_max: usize) -> String {
    let mut text = String::with_capacity(raw.len().min(len_max));
    for c in raw.chars() {
        if text.len() + c.len_utf8() > len_max {
            text.push('…');
            break;
        }
        if is_active(c) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}", c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    text
}

/// Characters that a terminal or a log reader would act on instead of showing.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(
            inert("\u{1b}[2Ja\r\nb\u{2028}\u{202e}c\u{7f}\u{85}", 100),
            "\\u{1b}[2Ja\\u{d}\\u{a}b\\u{2028}\\u{202e}c\\u{7f}\\u{85}"
        );
        assert_eq!(inert("grüße 日本", 100), "grüße 日本");
    }

    #[test]
    fn text_is_cut_at_its_bound_between_characters() {
        assert_eq!(inert("abcd", 4), "abcd");
        assert_eq!(inert("abcde", 4), "abcd…");
        assert_eq!(inert("ab日", 4), "ab…");
    }
}
