//! What the figures were made on, and what this process holds of it.

use std::fs;
use std::thread::available_parallelism;

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_setaffinity};

/// The workspace's lock file: which wasmtime this was built with.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// Kernel, processors, wasmtime, in one line.
pub(crate) fn describe() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, m)| m);
    let threads = available_parallelism().map_or(1, std::num::NonZero::get);
    let build = profile();
    format!("Linux {}, {threads} x {model}, wasmtime {}, {build} build", kernel.trim(), wasmtime_version())
}

/// Cargo's profile of this build.
pub(crate) fn profile() -> &'static str {
    if cfg!(debug_assertions) { "dev" } else { "release" }
}

/// The load averages of the last 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// This process's share of memory in bytes: private pages, and its part of the shared ones.
pub(crate) fn pss_bytes() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").context("cannot read smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("smaps_rollup names no Pss")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().context("Pss is no number of kB")?;
    Ok(kib << 10)
}

/// Ties the thread that calls this to one processor, so that both arms run on the same one.
///
/// Left to the kernel, an arm may keep the processor that somebody else's compiler is on for a whole run, and two threads
/// woken at once may share one.
pub(crate) fn pin(number: usize) -> anyhow::Result<()> {
    let processors = available_parallelism().map_or(1, std::num::NonZero::get);
    let mut set = CpuSet::new();
    set.set(number % processors);
    sched_setaffinity(None, &set).context("cannot stay on one processor")
}

fn wasmtime_version() -> &'static str {
    let mut lines = LOCK.lines().skip_while(|line| *line != r#"name = "wasmtime""#);
    lines.nth(1).and_then(|line| line.strip_prefix("version = ")).unwrap_or("unknown").trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_it_is() {
        assert!(describe().contains("wasmtime 48."), "{}", describe());
        assert!(pss_bytes().unwrap() > 0);
    }
}
