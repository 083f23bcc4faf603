//! Which fault comes when among several hosts, and the bounds that a run is judged by.

use std::time::Duration;

/// How long everything that was acknowledged may take to arrive: what a killed host had taken is handed out again only once its time
/// to acknowledge is over.
pub(super) const DRAIN_TIME_MAX: Duration = Duration::from_mins(2);
/// How soon both hosts are ready and take messages again.
pub(super) const WHOLE_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a fault that can be lifted goes on, in milliseconds.
pub(super) const LASTS_MILLIS: (u64, u64) = (1000, 4000);
/// A slow way: this much later in each direction, and so many of 1000 chunks lost.
pub(super) const LATENCY: Duration = Duration::from_millis(300);
pub(super) const LOST_PER_1000: usize = 100;
/// How often connections are cut.
pub(super) const CUTS: u64 = 5;

/// What is done to the hosts, to the server and to the ways between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `SIGKILL` of one host; the other goes on.
    KillHost,
    /// `SIGKILL` of both at once.
    KillBothHosts,
    /// `SIGTERM` of one host.
    TerminateHost,
    /// `SIGKILL` of the server.
    KillServer,
    /// `SIGTERM` of the server.
    StopServer,
    /// `SIGSTOP` of the server.
    PauseServer,
    /// One tenant's stream is deleted.
    LoseStream,
    /// Connections are closed, several times.
    Cut,
    /// One host's packets go nowhere.
    Stall,
    /// Packets take long, and some are lost.
    Slow,
}

/// Each comes once a round.
pub(super) const ROUND: [Fault; 10] = [
    Fault::KillHost,
    Fault::KillServer,
    Fault::LoseStream,
    Fault::Cut,
    Fault::PauseServer,
    Fault::StopServer,
    Fault::Stall,
    Fault::TerminateHost,
    Fault::KillBothHosts,
    Fault::Slow,
];

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KillHost => "kill a host",
            Self::KillBothHosts => "kill both hosts",
            Self::TerminateHost => "terminate a host",
            Self::KillServer => "kill the server",
            Self::StopServer => "stop the server",
            Self::PauseServer => "pause the server",
            Self::LoseStream => "lose a stream",
            Self::Cut => "cut connections",
            Self::Stall => "cut a host off in silence",
            Self::Slow => "slow and lossy ways",
        }
    }
}
