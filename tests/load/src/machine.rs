//! What else the machine did meanwhile. On one that does much else, times are those of its queues and not the host's.

use std::fs;
use std::thread::available_parallelism;

use tests_kit::Host;

/// The machine's load averages over one, five and fifteen minutes, as the kernel tells them.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Processor time since the machine started, in clock ticks (proc(5)).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ticks {
    /// Of all processors, idle or not.
    all: u64,
    /// What was used of it.
    used: u64,
    /// What the host used, with its children that have ended, and this program.
    ours: u64,
}

impl Ticks {
    /// Until now.
    pub(crate) fn now(host: &Host) -> Self {
        let fields = processors_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default());
        let idle: u64 = fields.iter().skip(3).take(2).sum();
        let all = fields.iter().sum();
        Self { all, used: all - idle, ours: process_ticks(&host.id().to_string()) + process_ticks("self") }
    }

    /// Between then and now.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { all: self.all - before.all, used: self.used - before.used, ours: self.ours - before.ours }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { all: self.all + other.all, used: self.used + other.used, ours: self.ours + other.ours }
    }

    /// How much of the processors others took, in hundredths.
    pub(crate) fn others_percent(self) -> u64 {
        self.used.saturating_sub(self.ours) * 100 / self.all.max(1)
    }
}

/// Of the line of all processors: user, nice, system, idle, waiting for disks, interrupts twice, stolen. What guests of a hypervisor
/// take stands behind those, and is in user and nice already.
fn processors_ticks(stat: &str) -> Vec<u64> {
    let line = stat.lines().next().unwrap_or_default();
    line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect()
}

/// What a process took itself and had its ended children take, in user and kernel mode.
fn process_ticks(process: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name of the program stands in brackets, and may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_took_what_was_used_and_not_by_us() {
        let check = |used, ours, others| assert_eq!(Ticks { all: 200, used, ours }.others_percent(), others);
        check(0, 0, 0);
        check(200, 0, 100);
        check(150, 50, 50);
        check(50, 51, 0);
        let stat = "cpu  10 20 30 40 50 6 7 8 9 9\ncpu0 1 2 3 4 5 6 7 8 9 9\n";
        assert_eq!(processors_ticks(stat), [10, 20, 30, 40, 50, 6, 7, 8]);
    }
}
