//! Ctrl-C and SIGTERM, as something to look at between two steps, so that every guard still drops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Knows whether somebody asked us to stop.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// How long a loop may wait before it looks again.
    pub(crate) const CHECKED_EVERY: Duration = Duration::from_millis(100);

    /// From now on a signal is a request, not an end.
    pub(crate) fn on_signals() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&asked)).context("cannot listen for signals")?;
        }
        Ok(Self(asked))
    }

    /// Whether to stop.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends what cannot be finished.
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked() {
            bail!("interrupted");
        }
        Ok(())
    }
}
