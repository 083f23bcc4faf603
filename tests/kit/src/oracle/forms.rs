//! The forms in which a word may stand somewhere: as it is, in hexadecimal, and in Base64 at each of its three alignments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem::Finder;

/// How much of a word is looked for: half of its random bits, so that a line that was cut off still gives it away.
const KEPT_LEN: usize = "canary".len() + 16;
/// With what every word begins, and every form of one in its own way.
const STEM: &str = "canary";
/// How much of what surrounds a sighting is shown, in bytes on each side.
const NEAR_LEN: usize = 120;

/// Every form of every word. A tenant has two words, the canary first.
pub(crate) struct Forms(Vec<Form>);

/// A way to write a word.
type Way = fn(&[u8]) -> Vec<u8>;

/// All words, written one way.
struct Form {
    stem: Finder<'static>,
    words: Vec<Vec<u8>>,
}

/// A word that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    word: usize,
    at: usize,
}

impl Forms {
    pub(crate) fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let words: Vec<_> = words.map(|word| word.as_bytes()[..KEPT_LEN].to_vec()).collect();
        let ways: [Way; 5] =
            [<[u8]>::to_vec, hex, |word| base64_at(word, 0), |word| base64_at(word, 1), |word| base64_at(word, 2)];
        Self(ways.map(|way| Form::of(&words, way)).into())
    }

    /// Each place where a word stands.
    pub(crate) fn sightings(&self, bytes: &[u8]) -> Vec<Sighting> {
        self.0.iter().flat_map(|form| form.sightings(bytes)).collect()
    }
}

impl Form {
    fn of(words: &[Vec<u8>], way: Way) -> Self {
        Self {
            stem: Finder::new(&way(STEM.as_bytes())).into_owned(),
            words: words.iter().map(|word| way(word)).collect(),
        }
    }

    fn sightings(&self, bytes: &[u8]) -> impl Iterator<Item = Sighting> {
        self.stem.find_iter(bytes).filter_map(|at| {
            let word = self.words.iter().position(|word| bytes[at..].starts_with(word))?;
            Some(Sighting { word, at })
        })
    }
}

impl Sighting {
    /// The place of its tenant in the list that the words were made from.
    pub(crate) fn tenant(self) -> usize {
        self.word / 2
    }

    /// Whether it must stand nowhere.
    pub(crate) fn is_sealed(self) -> bool {
        self.word % 2 == 1
    }

    /// What stands around it.
    pub(crate) fn near(self, bytes: &[u8]) -> String {
        let (from, to) = (self.at.saturating_sub(NEAR_LEN), bytes.len().min(self.at + NEAR_LEN));
        String::from_utf8_lossy(&bytes[from..to]).into_owned()
    }
}

fn hex(word: &[u8]) -> Vec<u8> {
    word.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// The characters that depend on the word alone, whatever stands before and after it, `offset` bytes into a group of three.
fn base64_at(word: &[u8], offset: usize) -> Vec<u8> {
    let padded = [&[0; 2][..offset], word].concat();
    let text = STANDARD_NO_PAD.encode(&padded).into_bytes();
    let (before, whole) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    text[before..whole].to_vec()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;
    use crate::paths::canary;

    #[test]
    fn a_word_is_found_in_every_form_and_at_every_place() {
        let (mine, theirs) = (canary(), canary());
        let forms = Forms::of([mine.as_str(), theirs.as_str()].into_iter());
        let check = |text: &[u8], found: bool| {
            assert_eq!(!forms.sightings(text).is_empty(), found, "{}", String::from_utf8_lossy(text));
        };
        for before in ["", "a", "ab", "abc", "{\"payload\":\""] {
            let text = format!("{before}{mine}\"}}");
            check(text.as_bytes(), true);
            check(STANDARD.encode(&text).as_bytes(), true);
            check(URL_SAFE_NO_PAD.encode(&text).as_bytes(), true);
            check(&hex(text.as_bytes()), true);
        }
        check(&mine.as_bytes()[..KEPT_LEN], true);
        check(&mine.as_bytes()[..KEPT_LEN - 1], false);
        check(canary().as_bytes(), false);
    }

    #[test]
    fn a_sighting_says_whose_word_it_is_and_whether_that_is_sealed() {
        let words = [canary(), canary(), canary(), canary()];
        let forms = Forms::of(words.iter().map(String::as_str));
        for (index, word) in words.iter().enumerate() {
            let found = forms.sightings(format!("x{word}").as_bytes());
            assert_eq!(found, [Sighting { word: index, at: 1 }]);
            assert_eq!((found[0].tenant(), found[0].is_sealed()), (index / 2, index % 2 == 1));
        }
    }
}
