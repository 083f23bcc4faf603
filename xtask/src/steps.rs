//! Progress that a person can follow: step n of m, and how long each took.

use std::time::Instant;

use anyhow::{Context, Result};

/// Counts the steps of one command.
pub(crate) struct Steps {
    done: usize,
    total: usize,
}

impl Steps {
    /// A command of `total` steps.
    pub(crate) fn new(total: usize) -> Self {
        Self { done: 0, total }
    }

    /// Does one step; an error names it.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.done += 1;
        let (number, total) = (self.done, self.total);
        eprintln!("[{number}/{total}] {name} …");
        let start = Instant::now();
        let value = work().with_context(|| format!("step {number} of {total} failed: {name}"))?;
        eprintln!("[{number}/{total}] {name}: done in {:.1} s", start.elapsed().as_secs_f64());
        Ok(value)
    }
}
