//! Lays JSON out for people without reading it: digits, keys and their order stay as they were written.

/// How far each level is set in.
const INDENT: &str = "  ";
/// Deeper levels are set in no further, so that nesting cannot square the length of a text.
const INDENT_MAX: usize = 32;

/// JSON text on several lines, each inert. What is no JSON comes out as some text, no worse than it was.
pub(crate) fn laid_out(json: &str) -> String {
    let mut page = Page::default();
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => page.string(&mut chars),
            '{' | '[' => page.open(c, &mut chars),
            '}' | ']' => page.close(c),
            ',' => page.comma(),
            ':' => page.text.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => page.text.push(c),
        }
    }
    page.text.lines().map(crate::text::inert_json).collect::<Vec<_>>().join("\n")
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

#[derive(Default)]
struct Page {
    text: String,
    depth: usize,
}

impl Page {
    fn string(&mut self, chars: &mut Chars<'_>) {
        self.text.push('"');
        while let Some(c) = chars.next() {
            self.text.push(c);
            match c {
                '"' => return,
                '\\' => self.text.extend(chars.next()),
                _ => {}
            }
        }
    }

    fn open(&mut self, bracket: char, chars: &mut Chars<'_>) {
        self.text.push(bracket);
        while chars.next_if(char::is_ascii_whitespace).is_some() {}
        // An empty one stays on its line.
        if let Some(closing) = chars.next_if(|c| matches!(c, '}' | ']')) {
            return self.text.push(closing);
        }
        self.depth += 1;
        self.new_line();
    }

    fn close(&mut self, bracket: char) {
        self.depth = self.depth.saturating_sub(1);
        self.new_line();
        self.text.push(bracket);
    }

    fn comma(&mut self) {
        self.text.push(',');
        self.new_line();
    }

    fn new_line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(INDENT, self.depth.min(INDENT_MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        assert_eq!(laid_out(json), expected);
    }

    #[test]
    fn layout_changes_nothing_but_white_space() {
        check(
            "{\"b\":1.10,\"a\":[true,\n {}, [ ]]}",
            "{\n  \"b\": 1.10,\n  \"a\": [\n    true,\n    {},\n    []\n  ]\n}",
        );
        check("\"a{,:\\\"}\\\\\"", "\"a{,:\\\"}\\\\\"");
        check("12345678901234567890123", "12345678901234567890123");
        check("null", "null");
    }

    #[test]
    fn nothing_in_it_steers_a_terminal() {
        check("[\"\u{9b}2J\"]", "[\n  \"\\u009b2J\"\n]");
    }

    #[test]
    fn deep_nesting_stays_small() {
        assert!(laid_out(&"[".repeat(10_000)).len() < 10_000 * 70);
    }
}
