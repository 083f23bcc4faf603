//! The host's log: structured, to standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// Changes what is logged while the host runs.
pub(crate) struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Logs what `level` says from now on. It was checked when it was read.
    pub(crate) fn set(&self, level: &str) -> anyhow::Result<()> {
        self.0.reload(level.parse::<EnvFilter>()?).context("cannot change the log's level")
    }
}

/// Starts the log.
pub(crate) fn start(log: &Log) -> anyhow::Result<Level> {
    let (filter, handle) = reload::Layer::new(log.level.parse::<EnvFilter>().context("log.level")?);
    let for_people = std::io::stderr().is_terminal();
    let lines = match log.format {
        LogFormat::Pretty => fmt::layer().with_ansi(for_people).with_writer(std::io::stderr).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init().context("cannot start the log")?;
    Ok(Level(handle))
}
