//! The counts that the repository holds, and how far a count may be above them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// How far a count may be above the record, in percent. Two runs differ by less than one; another glibc or valgrind may by more.
const MARGIN_PERCENT: u64 = 10;
const HEAD: &str = "\
# Instructions of one message, counted by callgrind: docs/benchmarks.md, M16. `cargo xtask test` fails when a count is more
# than 10 % above these. Written by `cargo xtask bench --instructions --update`: say in the commit why they changed.

";

/// What was counted, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Record {
    /// Cargo's profile: counts of another one are others.
    pub(super) profile: String,
    /// How slots are reset, in the engine's words.
    pub(super) pool: String,
    /// M1's shape: an instance for each message.
    pub(super) per_message: Counts,
    /// M2's shape: an instance that stays.
    pub(super) resident: Counts,
}

/// Instructions of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    /// Through the whole house.
    pub(super) house: u64,
    /// In a loop of bare wasmtime.
    pub(super) bare: u64,
}

impl Record {
    pub(super) fn load() -> anyhow::Result<Self> {
        let file = file();
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no record", file.display()))
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        let file = file();
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Fails if one of the counts is above the record by more than the margin, and names all that are.
    pub(super) fn judge(&self, counted: &Self) -> anyhow::Result<()> {
        ensure!(
            self.profile == counted.profile,
            "recorded with cargo's {} profile, counted with {}",
            self.profile,
            counted.profile
        );
        let excesses = self.excesses(counted);
        let elsewhere =
            if self.pool == counted.pool { "" } else { " (recorded where slots were reset in another way)" };
        ensure!(
            excesses.is_empty(),
            "more than {MARGIN_PERCENT} % above tests/bench/instructions.toml{elsewhere}: {}. Mend it; or, with a reason in the \
             commit, record it: cargo xtask bench --instructions --update",
            excesses.join(", ")
        );
        Ok(())
    }

    pub(super) fn shapes(&self) -> [(&'static str, Counts); 2] {
        [("M16-fresh", self.per_message), ("M16-resident", self.resident)]
    }

    fn excesses(&self, counted: &Self) -> Vec<String> {
        let pairs = self.shapes().into_iter().zip(counted.shapes());
        let arms = pairs.flat_map(|((shape, was), (_, is))| {
            [(shape, "ours", was.house, is.house), (shape, "bare", was.bare, is.bare)]
        });
        let above = arms.filter(|(_, _, was, is)| is * 100 > was * (100 + MARGIN_PERCENT));
        above.map(|(shape, arm, was, is)| format!("{shape} {arm} {is} after {was}")).collect()
    }
}

impl Counts {
    /// Ours for each of bare's.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 instructions")]
    pub(super) fn ratio(self) -> f64 {
        self.house as f64 / self.bare as f64
    }
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(house: u64) -> Record {
        let counts = |house| Counts { house, bare: 1_000 };
        Record { profile: "dev".to_owned(), pool: "fast".to_owned(), per_message: counts(house), resident: counts(500) }
    }

    #[test]
    fn a_count_may_be_ten_percent_above_the_record_and_no_more() {
        let check = |house, excess: Option<&str>| {
            let judged = record(1_000).judge(&record(house)).map_err(|error| error.to_string());
            match excess {
                None => assert_eq!(judged, Ok(())),
                Some(excess) => assert!(judged.as_ref().is_err_and(|error| error.contains(excess)), "{judged:?}"),
            }
        };
        check(500, None);
        check(1_100, None);
        check(1_101, Some("M16-fresh ours 1101 after 1000."));
    }

    #[test]
    fn counts_of_another_profile_are_not_compared() {
        let release = Record { profile: "release".to_owned(), ..record(1_000) };
        assert!(record(1_000).judge(&release).is_err());
    }

    #[test]
    fn the_record_in_the_repository_can_be_read() {
        let record = Record::load().unwrap();
        assert_eq!(record.profile, "dev", "`cargo xtask test` counts in the dev profile");
        assert_eq!(toml::from_str::<Record>(&toml::to_string(&record).unwrap()).unwrap(), record);
    }
}
