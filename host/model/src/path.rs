//! Where an agent's file is: a grammar so narrow that no path can name anything outside the agent's own directory.

use std::fmt;
use std::str::FromStr;

/// The most parts of a path.
const PARTS_MAX: usize = 16;
/// The longest part, in bytes.
const PART_LEN_MAX: usize = 128;

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a path: use 1 to 16 parts of 1 to 128 bytes joined by '/', without control characters, '.' and '..'")]
pub struct BadPath;

/// The path of a file or directory below its agent's own: `[part/]{0,15}part`. Relative by grammar: no part is empty, `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

impl FilePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts of the directory it lies in, and its name there.
    pub fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (directory, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (directory.split('/').filter(|part| !part.is_empty()), name)
    }

    /// All its parts, at most 16.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// How many parts it has.
    pub fn depth(&self) -> usize {
        self.parts().count()
    }
}

impl FromStr for FilePath {
    type Err = BadPath;

    fn from_str(raw: &str) -> Result<Self, BadPath> {
        let parts = raw.split('/').take(PARTS_MAX + 1).filter(|part| is_part(part)).count();
        let all = raw.split('/').take(PARTS_MAX + 1).count();
        if parts == all && all <= PARTS_MAX { Ok(Self(raw.to_owned())) } else { Err(BadPath) }
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn is_part(part: &str) -> bool {
    (1..=PART_LEN_MAX).contains(&part.len()) && part != "." && part != ".." && !part.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, ok: bool) {
        assert_eq!(raw.parse::<FilePath>().is_ok(), ok, "{raw:?}");
    }

    #[test]
    fn a_path_is_one_to_sixteen_parts_of_one_to_128_bytes() {
        for good in
            ["a", "a/b", ".hidden", "...", "..a", "a..", "grüße/日本", "a b", "C:\\x", "*", "~", "-rf", "%2e%2e"]
        {
            check(good, true);
        }
        for bad in [
            "", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/../b", "../a", "a/..", "a\0b", "a\nb", "\u{7f}",
            "\u{85}",
        ] {
            check(bad, false);
        }
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
        check(&"日".repeat(42), true);
        check(&"日".repeat(43), false);
        check(&["a"; 16].join("/"), true);
        check(&["a"; 17].join("/"), false);
        check(&"a/".repeat(1 << 20), false);
    }

    #[test]
    fn a_path_knows_its_directory_and_its_name() {
        let check = |raw: &str, directory: &[&str], name: &str| {
            let path: FilePath = raw.parse().unwrap();
            let (parts, last) = path.split();
            assert_eq!((parts.collect::<Vec<_>>().as_slice(), last), (directory, name));
        };
        check("a", &[], "a");
        check("a/b/c", &["a", "b"], "c");
    }
}
