//! Agents, as operators see them.

use host_app::AgentStatus;
use host_fleet::{Desired, LastFailure, Notice, Phase, Standing, Step};
use host_model::{Limits, RunMode};
use host_wire::{Agent, AgentCounters, AgentKind, AgentLimits, AgentState, StartStep};

use super::pending_of;

/// An agent as clients see it.
pub(crate) fn agent_of(status: AgentStatus) -> Agent {
    let reason = reason_of(&status);
    Agent {
        state: state_of(&status),
        kind: if status.digest.is_some() { AgentKind::Component } else { AgentKind::External },
        counters: counters_of(&status),
        tenant_id: status.tenant.to_string(),
        agent_id: status.agent.to_string(),
        name: status.name,
        description: status.description,
        version: status.version,
        revision: status.revision,
        digest: status.digest.map(|digest| digest.to_string()),
        run: status.run.map(run_of),
        replicas: status.replicas,
        desired: desired_of(status.desired),
        step: step_of(status.step),
        pending: status.pending.as_deref().map(pending_of),
        reason,
        peers: status.peers as u64,
        subscriptions: status.subscriptions.iter().map(ToString::to_string).collect(),
        deployed_at: status.deployed.to_string(),
        limits: status.limits.as_ref().map(limits_of),
        last_failure: status.last_failure.map(failure_of),
    }
}

/// Why it is held back, before why it did not start.
fn reason_of(status: &AgentStatus) -> Option<String> {
    match &status.standing {
        Standing::Active => status.reason.clone(),
        Standing::Suspended(Notice { reason, since }) | Standing::Quarantined(Notice { reason, since }) => {
            Some(format!("{reason} (since {since})"))
        }
    }
}

/// Who is held back is not otherwise anything. An agent whose instances all wait to be started again is not ready, though its
/// queue is open.
fn state_of(status: &AgentStatus) -> AgentState {
    match &status.standing {
        Standing::Suspended(_) if status.phase == Phase::Stopped => return AgentState::Suspended,
        Standing::Quarantined(_) => return AgentState::Quarantined,
        Standing::Suspended(_) | Standing::Active => {}
    }
    match status.phase {
        Phase::Stopped => AgentState::Stopped,
        Phase::Starting => AgentState::Starting,
        Phase::Ready if status.backing_off > 0 && status.backing_off >= status.replicas => AgentState::BackingOff,
        Phase::Ready => AgentState::Ready,
        Phase::Stopping => AgentState::Stopping,
        Phase::Failed => AgentState::Failed,
    }
}

fn step_of(step: Step) -> StartStep {
    match step {
        Step::None => StartStep::None,
        Step::Load => StartStep::Load,
        Step::Validate => StartStep::Validate,
        Step::Subscribe => StartStep::Subscribe,
        Step::Register => StartStep::Register,
        Step::Discover => StartStep::Discover,
        Step::Ready => StartStep::Ready,
    }
}

fn run_of(run: RunMode) -> host_wire::RunMode {
    match run {
        RunMode::PerMessage => host_wire::RunMode::PerMessage,
        RunMode::Resident => host_wire::RunMode::Resident,
    }
}

fn desired_of(desired: Desired) -> host_wire::Desired {
    match desired {
        Desired::Running => host_wire::Desired::Running,
        Desired::Stopped => host_wire::Desired::Stopped,
    }
}

fn limits_of(limits: &Limits) -> AgentLimits {
    AgentLimits {
        memory_bytes: limits.memory_bytes_max as u64,
        fuel_per_message: limits.fuel_per_message,
        deadline_millis: u64::try_from(limits.deadline.as_millis()).unwrap_or(u64::MAX),
        concurrency: limits.concurrency_max,
        mailbox: limits.mailbox_len_max,
    }
}

fn counters_of(status: &AgentStatus) -> AgentCounters {
    let counters = &status.counters;
    AgentCounters {
        received: counters.received,
        handled: counters.handled,
        failed: counters.failed,
        published: counters.published,
        requested: counters.requested,
        replied: counters.replied,
        refused: counters.refused,
        dropped: counters.dropped,
        fuel_total: counters.fuel_total,
        handle_micros_total: counters.handle_micros_total,
        restarts: counters.restarts,
        waiting: status.waiting as u64,
        in_flight: u64::from(status.in_flight),
    }
}

fn failure_of(failure: LastFailure) -> host_wire::LastFailure {
    host_wire::LastFailure {
        // What was not cut off, the agent itself turned down.
        cause: failure.cause.map_or("refused", host_model::TrapCause::as_str).to_owned(),
        detail: failure.detail,
        at: failure.at.to_string(),
        message_id: Some(failure.message.to_string()),
    }
}
