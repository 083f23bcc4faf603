//! Several who do the same at once, each one thing after the other.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::runtime::Runtime;

use crate::laps::Laps;

/// So many acts, the next begun when the one before is done; what each took.
pub(crate) async fn one_by_one<F>(count: u64, act: impl Fn() -> F) -> anyhow::Result<Vec<Duration>>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let mut laps = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        act().await?;
        laps.push(began.elapsed());
    }
    Ok(laps)
}

/// So many acts by each of several workers at once, each worker a task of its own.
pub(crate) fn at_once<F>(
    runtime: &Runtime,
    workers: usize,
    each: u64,
    act: impl Fn() -> F + Clone + Send + 'static,
) -> anyhow::Result<Laps>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let began = Instant::now();
    let tasks: Vec<_> = (0..workers).map(|_| runtime.spawn(one_by_one(each, act.clone()))).collect();
    let done = runtime.block_on(try_join_all(tasks))?;
    Ok(Laps::of(done.into_iter().collect::<anyhow::Result<Vec<_>>>()?, began))
}
