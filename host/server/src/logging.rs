//! The host's log: structured, to standard error, written by a thread of its own.
//!
//! Guests cause lines, and shards write them: whoever reads standard error too slowly must not stop a tenant. Lines that find no
//! room are dropped and counted.

use std::io::{self, IsTerminal as _, Stderr, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// Lines that wait to be written.
const LINES_WAITING_MAX: usize = 16_384;

/// Changes what is logged while the host runs. Dropped at the end, it writes what still waits.
pub(crate) struct Level {
    filter: reload::Handle<EnvFilter, Registry>,
    dropped: ErrorCounter,
    refused: Arc<AtomicUsize>,
    _writer: WorkerGuard,
}

/// Standard error. A line that it does not take, as on a full disk, is counted and gone.
struct Lines {
    stderr: Stderr,
    refused: Arc<AtomicUsize>,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.stderr.write_all(line).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Level {
    /// Logs what `level` says from now on. It was checked when it was read.
    pub(crate) fn set(&self, level: &str) -> anyhow::Result<()> {
        self.filter.reload(level.parse::<EnvFilter>()?).context("cannot change the log's level")
    }

    /// Lines that were dropped because standard error was not read fast enough, or took none.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.dropped_lines().saturating_add(self.refused.load(Ordering::Relaxed))
    }
}

/// Starts the log.
pub(crate) fn start(log: &Log) -> anyhow::Result<Level> {
    let (filter, handle) = reload::Layer::new(log.level.parse::<EnvFilter>().context("log.level")?);
    let for_people = io::stderr().is_terminal();
    let refused = Arc::<AtomicUsize>::default();
    let lines = Lines { stderr: io::stderr(), refused: refused.clone() };
    let (lines_out, writer) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING_MAX).finish(lines);
    let dropped = lines_out.error_counter();
    let lines = match log.format {
        LogFormat::Pretty => fmt::layer().with_ansi(for_people).with_writer(lines_out).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(lines_out).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init().context("cannot start the log")?;
    Ok(Level { filter: handle, dropped, refused, _writer: writer })
}
