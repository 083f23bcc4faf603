//! Threads that live as long as the bench, so that no arm pays for starting one.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::Context as _;

use crate::machine;

type Job = Box<dyn FnOnce() + Send>;

/// One thread that does jobs. It ends when this is dropped.
pub(crate) struct Worker {
    jobs: SyncSender<Job>,
}

/// The result of a job, when it is there.
pub(crate) struct Pending<T>(Receiver<T>);

impl Worker {
    /// On a processor of its own.
    pub(crate) fn start(number: usize) -> anyhow::Result<Self> {
        let (jobs, todo) = sync_channel::<Job>(1);
        thread::Builder::new().name(format!("bare-{number}")).spawn(move || todo.into_iter().for_each(|job| job()))?;
        let worker = Self { jobs };
        worker.begin(move || machine::pin(number))?.wait()??;
        Ok(worker)
    }

    /// Begins a job there.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<Pending<T>> {
        let (sender, result) = sync_channel(1);
        // Nobody may be waiting any more, if another arm failed.
        let job = Box::new(move || drop(sender.send(job())));
        self.jobs.send(job).ok().context("a worker has ended")?;
        Ok(Pending(result))
    }
}

impl<T> Pending<T> {
    pub(crate) fn wait(self) -> anyhow::Result<T> {
        self.0.recv().context("a worker has panicked")
    }
}
