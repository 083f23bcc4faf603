//! Whether the host can serve.

use std::sync::atomic::{AtomicBool, Ordering};

use host_bus::KeepHealth;
use host_fleet::{Desired, Fleet, Phase};
use host_ledger::Ledger;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is about.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// More words.
    pub detail: Option<String>,
}

/// Whether the host can serve, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it takes work.
    pub ready: bool,
    /// What that was judged by. A failed agent is named here, and does not make the host unready: its neighbours go on.
    pub checks: Vec<Check>,
}

#[derive(Default)]
pub(crate) struct Standing {
    ready: AtomicBool,
}

impl Standing {
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(crate) fn readiness(&self, fleet: &Fleet, ledger: &Ledger) -> Readiness {
        let keeping = keeping(fleet.parts().bus.health());
        let ready = self.ready.load(Ordering::Acquire);
        let down = agents_down(fleet);
        let started =
            Check { name: "started", ok: ready, detail: (!ready).then(|| "agents are being started".to_owned()) };
        let detail = (down > 0).then(|| format!("{down} agents that should be up are not"));
        let agents = Check { name: "agents", ok: down == 0, detail };
        Readiness { ready, checks: vec![started, agents, audit(ledger), keeping] }
    }
}

/// Messages within a tenant go on without an audit; what operators ask for does not. So the host takes work, and says it is degraded.
fn audit(ledger: &Ledger) -> Check {
    let ok = ledger.is_writable();
    let detail = (!ok).then(|| "degraded: the audit cannot be written, so control actions are refused".to_owned());
    Check { name: "audit", ok, detail }
}

/// Messages that are not kept go on. Those that are to be kept are refused, never promised less.
fn keeping(health: KeepHealth) -> Check {
    let detail = match health {
        KeepHealth::Good | KeepHealth::Absent => None,
        KeepHealth::Full => Some("degraded: the disk is full, so no message is kept until there is room"),
        KeepHealth::Broken => {
            Some("degraded: the journal failed, so no message is kept until the host is started again")
        }
        KeepHealth::Unknown => Some("degraded: no NATS server was reached yet; messages wait on this host"),
        KeepHealth::Disconnected => Some("degraded: no NATS server is reached; messages wait on this host"),
        KeepHealth::Rebuilt => Some(
            "degraded: a NATS server lost messages that were not handled; this host has sent its own again: look at the server's disk",
        ),
        KeepHealth::OldServer => {
            Some("degraded: a NATS server is older than 2.12.15 or 2.14.5, so no message is kept: update it")
        }
        KeepHealth::NoJetStream => Some(
            "degraded: the NATS servers have no JetStream, so no message is kept: set `jetstream` in their configuration",
        ),
        KeepHealth::Unsynced => Some(
            "degraded: a NATS server does not sync each write, so no message is kept: set `sync_interval: always` in its `jetstream`",
        ),
        KeepHealth::NotSeen => Some(
            "degraded: whether the NATS servers sync each write cannot be seen, so no message is kept: set nats.system_credentials_file",
        ),
        KeepHealth::NotReplicated => Some(
            "degraded: three replicas need three NATS servers with JetStream, so no message is kept: add servers, or set nats.class",
        ),
    };
    Check { name: "journal", ok: detail.is_none(), detail: detail.map(str::to_owned) }
}

fn agents_down(fleet: &Fleet) -> usize {
    let statuses = fleet.tenants().into_iter().flat_map(|tenant| fleet.statuses(&tenant.id).unwrap_or_default());
    statuses.filter(|status| status.desired == Desired::Running && status.phase == Phase::Failed).count()
}
