//! Which fault comes when, and the bounds that a run is judged by.

use std::time::Duration;

use tests_kit::chance::Chance;

/// Tenants, all alike.
pub(crate) const TENANTS: usize = 3;
/// External agents of each that send to its one receiver, each on its own lane and one message after the other.
pub(crate) const DIRECT_LANES: usize = 3;
/// How long load goes on before a fault, in milliseconds.
pub(crate) const LOAD_MILLIS: (u64, u64) = (300, 1500);
/// How long everything that was acknowledged may take to arrive after the last start.
pub(crate) const DRAIN_TIME_MAX: Duration = Duration::from_mins(1);
/// How long a host may take until it is ready.
pub(crate) const READY_TIME_MAX: Duration = Duration::from_secs(5);
/// How long one that was told to stop may take.
pub(crate) const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// How soon messages are taken again once there is room.
pub(crate) const RECOVERY_TIME_MAX: Duration = Duration::from_secs(10);

/// What is done to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `SIGKILL` under load.
    Kill,
    /// `SIGKILL` under load, and again while it starts and recovers.
    KillStarting,
    /// `SIGKILL` under load, and of what was not synced the disk keeps what it will.
    PowerCut,
    /// The same, and again while it starts and recovers.
    PowerCutStarting,
    /// `SIGTERM` under load.
    Terminate,
    /// `SIGSTOP` for some seconds under load.
    Pause,
    /// No room on the disk for some seconds.
    DiskFull,
    /// No inode left on the disk for some seconds.
    InodesFull,
    /// Hardly a descriptor left for some seconds.
    FewDescriptors,
    /// The time of day jumps by an hour, to and fro.
    ClockJumps,
    /// One bit of a message that waits is another.
    FlippedBit,
    /// A sync of the messages' log fails once.
    FailedSync,
}

/// Each comes once a round; the first ones are the short form.
pub(crate) const ROUND: [Fault; 12] = [
    Fault::Kill,
    Fault::PowerCut,
    Fault::FlippedBit,
    Fault::DiskFull,
    Fault::PowerCutStarting,
    Fault::Terminate,
    Fault::KillStarting,
    Fault::InodesFull,
    Fault::Pause,
    Fault::FewDescriptors,
    Fault::ClockJumps,
    Fault::FailedSync,
];

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillStarting => "kill, also while starting",
            Self::PowerCut => "power cut",
            Self::PowerCutStarting => "power cut, also while starting",
            Self::Terminate => "terminate",
            Self::Pause => "pause",
            Self::DiskFull => "disk full",
            Self::InodesFull => "inodes full",
            Self::FewDescriptors => "few descriptors",
            Self::ClockJumps => "clock jumps",
            Self::FlippedBit => "flipped bit",
            Self::FailedSync => "failed sync",
        }
    }
}

/// The faults of so many cycles: whole rounds, each but the first in an order by chance.
pub(crate) fn faults<F: Copy>(first: &[F], cycles: usize, chance: &mut Chance) -> Vec<F> {
    let mut faults = first.to_vec();
    while faults.len() < cycles {
        let mut round = first.to_vec();
        while !round.is_empty() {
            faults.push(round.swap_remove(chance.below(round.len())));
        }
    }
    faults.truncate(cycles);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_once_in_each_round() {
        let faults = faults(&ROUND, 36, &mut Chance::new(3));
        for round in faults.chunks(ROUND.len()) {
            let mut round = round.to_vec();
            round.sort();
            round.dedup();
            assert_eq!(round.len(), ROUND.len());
        }
        assert_eq!(super::faults(&ROUND, 6, &mut Chance::new(3)), ROUND[..6]);
    }
}
