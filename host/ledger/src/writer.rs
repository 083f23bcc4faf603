//! The one thread that writes: everything that waits goes to the disk together.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::denials::Taken;
use crate::ledger::Shared;
use crate::state::{Batch, Job};
use crate::{Act, Decision, Entry, Found, LedgerError, Link, Recorded};

/// How often denials that are counted are written.
const TICK: Duration = Duration::from_secs(1);
/// How soon a log that could not be written is tried again: at first, and at most.
const BACK_OFF_MIN: Duration = Duration::from_millis(250);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Writer {
    shared: Shared,
    end: Link,
    /// Records of the ledger's own, to be written before everything else.
    own: Vec<Entry>,
}

impl Writer {
    pub(crate) fn new(shared: Shared, found: Found) -> Self {
        let end = shared.log.end();
        let own = own_entries(&shared, end, found);
        Self { shared, end, own }
    }

    pub(crate) fn run(mut self) {
        let mut tick = Instant::now() + TICK;
        loop {
            let batch = self.shared.state.next_batch(tick);
            if Instant::now() >= tick {
                tick = Instant::now() + TICK;
            }
            let closing = batch.closing;
            let written = self.write(batch);
            if closing {
                return say_lost(written);
            }
            if written.is_err() && self.until_writable() {
                return;
            }
        }
    }

    /// Tries again, ever more seldom, until it can be written or is closed; says whether it is closed.
    fn until_writable(&mut self) -> bool {
        let mut back_off = BACK_OFF_MIN;
        loop {
            let batch = self.shared.state.batch_after(Instant::now() + back_off);
            let closing = batch.closing;
            let written = self.write(batch);
            if closing {
                say_lost(written);
                return true;
            }
            if written.is_ok() {
                tracing::info!("the audit can be written again");
                return false;
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    /// Writes a batch whole, or gives back what nobody waits for and refuses the rest.
    fn write(&mut self, batch: Batch) -> Result<(), LedgerError> {
        let Batch { jobs, denials, closing: _ } = batch;
        match self.append(&jobs, &denials) {
            Ok(first) => {
                self.shared.writable.store(true, Ordering::Release);
                self.own.clear();
                for (job, seq) in jobs.into_iter().zip(first..) {
                    self.answer(job, seq);
                }
                Ok(())
            }
            Err(error) => {
                self.fail(&error);
                let (acts, outcomes): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.asker.is_some());
                self.shared.state.give_back(outcomes, denials);
                for asker in acts.into_iter().filter_map(|job| job.asker) {
                    // Whoever asked may have gone away.
                    let _ = asker.send(Err(LedgerError::Unwritable));
                }
                Err(error)
            }
        }
    }

    /// Returns the number of the first job's record.
    fn append(&mut self, jobs: &[Job], denials: &[Taken]) -> Result<u64, LedgerError> {
        let first = self.end.seq + 1 + self.own.len() as u64;
        let denied: Vec<Entry> = denials.iter().map(Taken::entry).collect();
        let entries = self.own.iter().chain(jobs.iter().map(|job| &job.entry)).chain(&denied);
        let (mut lines, mut end) = (String::new(), self.end);
        for entry in entries {
            let (line, next) = end.extend(entry)?;
            lines.push_str(&line);
            end = next;
        }
        if !lines.is_empty() {
            self.shared.log.append(lines.as_bytes(), &end)?;
            self.end = end;
        }
        Ok(first)
    }

    fn answer(&self, job: Job, seq: u64) {
        let Some(asker) = job.asker else { return };
        let recorded = Recorded::new(self.shared.clone(), job.entry, seq, job.room);
        // If whoever asked has gone away, the witness is dropped here and says that the action was abandoned.
        let _ = asker.send(Ok(recorded));
    }

    fn fail(&mut self, error: &LedgerError) {
        if self.shared.writable.swap(false, Ordering::AcqRel) {
            tracing::error!(
                error = chain_of(error),
                "the audit cannot be written: control actions are refused until it can, denials are counted"
            );
        }
        if self.own.is_empty() {
            self.own.push(own_entry(&self.shared, "audit.resume", None));
        }
    }
}

/// What the last batch could not bring to the disk has no next to go with.
fn say_lost(written: Result<(), LedgerError>) {
    if let Err(error) = written {
        tracing::error!(error = chain_of(&error), "the audit's last records could not be written and are lost");
    }
}

fn own_entries(shared: &Shared, end: Link, found: Found) -> Vec<Entry> {
    let Found { torn_bytes, cut_off_from, head_lost } = found;
    let mut own = Vec::new();
    if end == Link::GENESIS {
        own.push(own_entry(shared, "audit.begin", None));
    }
    if found != Found::default() {
        let detail = serde_json::json!({ "tornBytes": torn_bytes, "cutOffFrom": cut_off_from, "headLost": head_lost });
        own.push(own_entry(shared, "audit.recover", Some(detail)));
    }
    own
}

fn own_entry(shared: &Shared, action: &'static str, detail: Option<serde_json::Value>) -> Entry {
    Entry { detail, ..Act::host(action).entry(shared.clock.now(), Decision::Done) }
}

fn chain_of(error: &LedgerError) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}
