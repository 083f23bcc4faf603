//! Full-text search by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009): a rare word counts more
//! than a common one, a word's tenth occurrence less than its second, and long texts win nothing by their length.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::runbooks::Runbook;

/// How soon further occurrences of a word stop counting, and how much a text's length is held against it: the usual values.
const SATURATION: f64 = 1.2;
const LENGTH_WEIGHT: f64 = 0.75;

/// A word in the title counts as often as this many in the body.
const TITLE_WEIGHT: u32 = 3;

/// Below this a text merely shares a few everyday words with the question. Found on the incidents of `two-tenants`.
const SCORE_MIN: f64 = 4.0;

/// The longest excerpt, in characters.
const EXCERPT_CHARS_MAX: usize = 240;

/// Words that say nothing about the subject.
const STOP_WORDS: &[&str] = &[
    "about", "above", "after", "all", "although", "and", "any", "are", "below", "but", "can", "each", "every", "for",
    "from", "has", "have", "into", "its", "last", "many", "near", "new", "not", "now", "off", "one", "only", "out",
    "over", "please", "same", "since", "ten", "than", "that", "the", "their", "them", "then", "they", "this", "those",
    "under", "until", "usual", "was", "were", "what", "when", "which", "while", "who", "with", "yet",
];

/// A runbook that fits a question.
#[derive(Serialize)]
pub(crate) struct Hit {
    id: &'static str,
    title: &'static str,
    /// The BM25 score, rounded to hundredths. Comparable within one answer only.
    score: f64,
    /// The line of the runbook that shares most words with the question.
    excerpt: String,
}

/// The runbooks, counted by word.
pub(crate) struct Index {
    texts: Vec<Text>,
    /// In how many texts a word occurs.
    spread: BTreeMap<String, u32>,
    words_mean: f64,
}

struct Text {
    runbook: Runbook,
    counts: BTreeMap<String, u32>,
    words: u32,
}

impl Index {
    /// Reads and counts all texts.
    pub(crate) fn new(runbooks: &[Runbook]) -> Self {
        let texts: Vec<Text> = runbooks.iter().copied().map(Text::read).collect();
        let mut spread = BTreeMap::new();
        for word in texts.iter().flat_map(|text| text.counts.keys()) {
            *spread.entry(word.clone()).or_default() += 1;
        }
        let words: u32 = texts.iter().map(|text| text.words).sum();
        let words_mean = f64::from(words) / f64::from(count(texts.len()).max(1));
        Self { texts, spread, words_mean }
    }

    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The titles, in the order of the texts.
    pub(crate) fn titles(&self) -> Vec<&'static str> {
        self.texts.iter().map(|text| text.runbook.title()).collect()
    }

    /// The best texts for a question in plain words, at most `hits_max`, the best first.
    pub(crate) fn search(&self, query: &str, hits_max: usize) -> Vec<Hit> {
        let wanted: BTreeSet<String> = words(query).collect();
        let mut scored: Vec<(f64, &Text)> = self.texts.iter().map(|text| (self.score(text, &wanted), text)).collect();
        scored.retain(|(score, _)| *score >= SCORE_MIN);
        scored.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        scored.into_iter().take(hits_max).map(|(score, text)| text.hit(score, &wanted)).collect()
    }

    fn score(&self, text: &Text, wanted: &BTreeSet<String>) -> f64 {
        let length = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * f64::from(text.words) / self.words_mean;
        let weight = |(word, &times): (&String, &u32)| {
            let times = f64::from(times);
            self.rarity(word) * times * (SATURATION + 1.0) / (times + SATURATION * length)
        };
        wanted.iter().filter_map(|word| text.counts.get_key_value(word)).map(weight).sum()
    }

    /// How much a word tells: near nothing where every text has it.
    fn rarity(&self, word: &str) -> f64 {
        let with = f64::from(self.spread.get(word).copied().unwrap_or_default());
        let all = f64::from(count(self.texts.len()));
        ((all - with + 0.5) / (with + 0.5)).ln_1p()
    }
}

impl Text {
    fn read(runbook: Runbook) -> Self {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut add = |word, times| *counts.entry(word).or_default() += times;
        words(runbook.title()).for_each(|word| add(word, TITLE_WEIGHT));
        words(runbook.body()).for_each(|word| add(word, 1));
        let words = counts.values().sum();
        Self { runbook, counts, words }
    }

    fn hit(&self, score: f64, wanted: &BTreeSet<String>) -> Hit {
        let Runbook { id, .. } = self.runbook;
        Hit { id, title: self.runbook.title(), score: (score * 100.0).round() / 100.0, excerpt: self.excerpt(wanted) }
    }

    /// The line with most of the wanted words, the first of equals.
    fn excerpt(&self, wanted: &BTreeSet<String>) -> String {
        let shared = |line: &&str| words(line).filter(|word| wanted.contains(word)).collect::<BTreeSet<_>>().len();
        let lines = self.runbook.body().lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let best = lines.rev().max_by_key(shared).unwrap_or_default();
        best.trim_start_matches("- ").chars().take(EXCERPT_CHARS_MAX).collect()
    }
}

/// The words of a text that tell something: lower case, without a plural's `s`, so that "disks" finds "disk".
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 2)
        .map(str::to_lowercase)
        .filter(|word| !STOP_WORDS.contains(&word.as_str()))
        .map(|word| singular(&word).to_owned())
}

fn singular(word: &str) -> &str {
    let plural = word.len() > 3 && !word.ends_with("ss") && !word.ends_with("us");
    if plural { word.strip_suffix('s').unwrap_or(word) } else { word }
}

/// A number of texts, as far as arithmetic needs it.
fn count(texts: usize) -> u32 {
    u32::try_from(texts).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &[Runbook] = &[
        Runbook {
            id: "lamps",
            text: "# Lamps\n\nA lamp that flickers needs a new bulb or a new fuse.\n\nCall an electrician.\n",
        },
        Runbook {
            id: "pipes",
            text: "# Pipes\n\nA pipe that drips needs a new seal.\n\nClose the main valve first.\n",
        },
        Runbook {
            id: "doors",
            text: "# Doors\n\nA door that squeaks needs oil.\n\nLift it before you turn the screws.\n",
        },
    ];

    fn found(query: &str) -> Vec<&'static str> {
        Index::new(TEXTS).search(query, 3).into_iter().map(|hit| hit.id).collect()
    }

    #[test]
    fn plain_words_become_terms() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text}");
        check("The disks' status: FULL!", &["disk", "status", "full"]);
        check("access to 503s", &["access", "503"]);
        check("is of at", &[]);
    }

    #[test]
    fn the_text_that_shares_rare_words_is_found() {
        assert_eq!(found("a lamp flickers, bulb and fuse are fine"), ["lamps"]);
    }

    #[test]
    fn everyday_words_find_nothing() {
        assert_eq!(found("somebody needs something"), Vec::<&str>::new());
        assert_eq!(found(""), Vec::<&str>::new());
    }

    #[test]
    fn the_excerpt_is_the_line_that_shares_most() {
        let hits = Index::new(TEXTS).search("pipe drips, where is the main valve to close", 1);
        assert_eq!(hits.first().map(|hit| hit.excerpt.as_str()), Some("Close the main valve first."));
    }

    #[test]
    fn an_index_of_nothing_finds_nothing() {
        assert!(Index::new(&[]).search("lamp", 3).is_empty());
    }
}
