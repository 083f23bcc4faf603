//! One deployed agent: what was deployed, how it is, and what runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use host_component::Manifest;
use host_courier::{Counters, Party};
use host_model::{AgentId, Caller, TenantId};
use parking_lot::Mutex;

use crate::crash_loop::CrashBell;
use crate::health::Health;
use crate::hold::AgentHold;
use crate::seat::MailboxAt;
use crate::start::Running;
use crate::{AgentStatus, Deployment, Pending, Phase, Step};

/// What was deployed, read once.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) deployment: Deployment,
    pub(crate) manifest: Manifest,
}

/// One deployed agent. `running` is its owner's lock: whoever starts, stops or replaces it holds it from beginning to end.
pub(crate) struct Agent {
    pub(crate) tenant: TenantId,
    pub(crate) id: AgentId,
    pub(crate) running: tokio::sync::Mutex<Option<Running>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) health: Arc<Health>,
    pub(crate) hold: AgentHold,
    view: Mutex<View>,
    peers: AtomicU32,
}

struct View {
    spec: Arc<Spec>,
    phase: Phase,
    step: Step,
    reason: Option<String>,
    /// The parties its start is, one for each seat, for a policy that changes.
    parties: Vec<Arc<Party>>,
    pending: Option<Arc<Pending>>,
    /// Where its mailboxes are, one for each seat.
    mailboxes: Vec<MailboxAt>,
}

impl Agent {
    pub(crate) fn new(spec: Arc<Spec>, hold: AgentHold, bell: CrashBell) -> Arc<Self> {
        Arc::new(Self {
            tenant: spec.deployment.tenant.clone(),
            id: spec.deployment.agent.clone(),
            running: tokio::sync::Mutex::default(),
            counters: Arc::default(),
            health: Arc::new(Health::new(bell)),
            hold,
            view: Mutex::new(View {
                spec,
                phase: Phase::Stopped,
                step: Step::None,
                reason: None,
                parties: Vec::new(),
                pending: None,
                mailboxes: Vec::new(),
            }),
            peers: AtomicU32::new(0),
        })
    }

    pub(crate) fn spec(&self) -> Arc<Spec> {
        self.view.lock().spec.clone()
    }

    pub(crate) fn set_spec(&self, spec: Arc<Spec>) {
        self.view.lock().spec = spec;
    }

    pub(crate) fn reached(&self, phase: Phase, step: Step) {
        let mut view = self.view.lock();
        view.phase = phase;
        view.step = step;
        view.reason = None;
        tracing::info!(tenant = %self.tenant, agent = %self.id, %phase, %step, "agent");
    }

    pub(crate) fn failed(&self, reason: String) {
        tracing::warn!(tenant = %self.tenant, agent = %self.id, reason, "agent failed");
        let mut view = self.view.lock();
        view.phase = Phase::Failed;
        view.reason = Some(reason);
    }

    pub(crate) fn parties(&self) -> Vec<Arc<Party>> {
        self.view.lock().parties.clone()
    }

    pub(crate) fn add_party(&self, party: Arc<Party>) {
        self.view.lock().parties.push(party);
    }

    pub(crate) fn remove_party(&self, caller: &Caller) {
        self.view.lock().parties.retain(|party| *party.caller != *caller);
    }

    pub(crate) fn pending(&self) -> Option<Arc<Pending>> {
        self.view.lock().pending.clone()
    }

    pub(crate) fn set_pending(&self, pending: Option<Arc<Pending>>) {
        self.view.lock().pending = pending;
    }

    /// The revision that the next deployment is: no number of one that waits is given again while it waits, so that who looked
    /// at that one does not approve another.
    pub(crate) fn next_revision(&self) -> u32 {
        let view = self.view.lock();
        let waits = view.pending.as_ref().map_or(0, |pending| pending.revision);
        view.spec.deployment.revision.max(waits).saturating_add(1)
    }

    pub(crate) fn set_peers(&self, peers: usize) {
        self.peers.store(u32::try_from(peers).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    pub(crate) fn add_mailbox(&self, mailbox: MailboxAt) {
        self.view.lock().mailboxes.push(mailbox);
    }

    pub(crate) fn remove_mailbox(&self, receiver: &Caller) {
        self.view.lock().mailboxes.retain(|mailbox| *mailbox.party.caller != *receiver);
    }

    /// Where its mailboxes are.
    pub(crate) fn mailboxes(&self) -> Vec<MailboxAt> {
        self.view.lock().mailboxes.clone()
    }

    pub(crate) fn status(&self) -> AgentStatus {
        let view = self.view.lock();
        let Spec { deployment, manifest } = &*view.spec;
        let loads = view.mailboxes.iter().map(MailboxAt::load);
        let (waiting, in_flight) =
            loads.fold((0, 0), |(waiting, in_flight), load| (waiting + load.0, in_flight + load.1));
        AgentStatus {
            tenant: self.tenant.clone(),
            agent: self.id.clone(),
            name: manifest.agent.name.clone(),
            description: manifest.agent.description.clone(),
            version: manifest.agent.version.clone(),
            revision: deployment.revision,
            digest: Some(deployment.digest),
            run: Some(manifest.run.instances),
            replicas: manifest.run.replicas,
            desired: deployment.desired,
            standing: self.hold.standing(),
            phase: view.phase,
            step: view.step,
            backing_off: self.health.backing_off(),
            reason: view.reason.clone(),
            pending: view.pending.clone(),
            peers: self.peers.load(Ordering::Relaxed) as usize,
            grants: manifest.grants.clone(),
            subscriptions: manifest.grants.subscribe.clone(),
            deployed: deployment.deployed,
            limits: Some(manifest.limits),
            counters: self.counters.view(),
            waiting,
            in_flight,
            last_failure: self.health.last_failure(),
        }
    }
}
