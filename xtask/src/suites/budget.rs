//! The seconds that each suite may take, from `tests/budget.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::plan;

/// A budget for every suite, and one for all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    total_seconds: u64,
    suite_seconds: BTreeMap<String, u64>,
}

impl Budget {
    /// Reads the file; a suite without an entry, or an entry without a suite, is an error.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a budget", path.display()))
    }

    /// What one suite may take.
    pub(super) fn of(&self, suite: &str) -> Duration {
        Duration::from_secs(self.suite_seconds.get(suite).copied().unwrap_or(0))
    }

    /// What all suites together may take.
    pub(super) fn total(&self) -> Duration {
        Duration::from_secs(self.total_seconds)
    }

    fn parse(text: &str) -> Result<Self> {
        let budget: Self = toml::from_str(text)?;
        let suites = plan::names();
        for name in &suites {
            ensure!(budget.suite_seconds.contains_key(*name), "suite {name} has no entry in [suite_seconds]");
        }
        for name in budget.suite_seconds.keys() {
            ensure!(suites.contains(&name.as_str()), "there is no suite {name}: remove its entry from [suite_seconds]");
        }
        Ok(budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str]) -> Result<Budget> {
        let entries: Vec<_> = names.iter().map(|name| format!("{name} = 10")).collect();
        Budget::parse(&format!("total_seconds = 60\n[suite_seconds]\n{}", entries.join("\n")))
    }

    #[test]
    fn every_suite_has_a_budget_and_every_budget_a_suite() {
        let mut names = plan::names();
        assert_eq!(with(&names).unwrap().of("fmt"), Duration::from_secs(10));
        names.push("poetry");
        assert!(with(&names).is_err());
        assert!(with(&["fmt"]).is_err());
    }
}
