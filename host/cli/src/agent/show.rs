//! `agent list`, `agent show`, and how far a start came.

use host_model::AgentId;
use host_wire::{Agent, AgentCounters, AgentKind, AgentLimits, PendingVersion, StartStep};

use super::{PATH, Session};
use crate::error::CliError;
use crate::print::{facts, table};

pub(super) async fn list(session: &Session<'_>) -> Result<(), CliError> {
    let agents: Vec<Agent> = session.client.list(PATH, &session.query()).await?;
    session.connection.output.document(&agents, |agents| {
        table(
            ["ID", "VERSION", "REV", "RUN", "STATE", "STEP", "RECEIVED", "HANDLED", "FAILED", "SENT"],
            agents.iter().map(row),
        )
    })
}

pub(super) async fn one(session: &Session<'_>, id: &AgentId) -> Result<(), CliError> {
    let agent: Agent = session.client.get(&format!("{PATH}/{id}"), &session.query()).await?;
    session.connection.output.document(&agent, details)
}

/// One line: whether it is held back, and why.
pub(super) fn held(agent: &Agent) -> String {
    let Agent { tenant_id, agent_id, state, .. } = agent;
    let why = agent.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{tenant_id}/{agent_id} is {state}{why}")
}

/// Two lines: what was deployed, and which steps its start took.
pub(super) fn progress(agent: &Agent) -> String {
    let Agent { tenant_id, agent_id, version, revision, state, .. } = agent;
    let serving = format!("{tenant_id}/{agent_id} {version}, revision {revision}, is {state}\nsteps: {}", steps(agent));
    agent.pending.iter().fold(serving, |serving, pending| format!("{serving}\n{}", waits(agent, pending)))
}

/// What waits, why, and what to do next.
fn waits(agent: &Agent, pending: &PendingVersion) -> String {
    let PendingVersion { revision, version, widened, .. } = pending;
    let asks: Vec<String> = widened.iter().map(|wider| format!("  {wider}")).collect();
    let Agent { tenant_id, agent_id, .. } = agent;
    format!(
        "{version} (revision {revision}) waits for approval, for it asks for more:\n{}\nlook at it, then `bailiwick agent approve {agent_id} {revision} --tenant {tenant_id}`, or `reject`",
        asks.join("\n")
    )
}

fn steps(agent: &Agent) -> String {
    let Some(reached) = StartStep::ALL.iter().position(|step| *step == agent.step) else { return "none".to_owned() };
    let word = |step: &StartStep| match step {
        StartStep::Discover => format!("discover ({} peers)", agent.peers),
        step => step.to_string(),
    };
    StartStep::ALL.iter().take(reached + 1).map(word).collect::<Vec<_>>().join(", ")
}

fn row(agent: &Agent) -> [String; 10] {
    let counters = &agent.counters;
    [
        agent.agent_id.clone(),
        agent.version.clone(),
        agent.revision.to_string(),
        agent.run.map_or_else(|| agent.kind.to_string(), |run| run.to_string()),
        agent.state.to_string(),
        agent.step.to_string(),
        counters.received.to_string(),
        counters.handled.to_string(),
        counters.failed.to_string(),
        (counters.published + counters.requested + counters.replied).to_string(),
    ]
}

fn details(agent: &Agent) -> String {
    let mut shown = identity(agent);
    shown.extend(condition(agent));
    shown.extend(numbers(agent));
    facts(&shown)
}

fn identity(agent: &Agent) -> Vec<(&'static str, String)> {
    vec![
        ("agent", format!("{}/{}", agent.tenant_id, agent.agent_id)),
        ("name", agent.name.clone()),
        ("description", agent.description.clone()),
        ("version", format!("{}, revision {}, deployed {}", agent.version, agent.revision, agent.deployed_at)),
        ("kind", agent.kind.to_string()),
    ]
    .into_iter()
    .chain(agent.digest.clone().map(|digest| ("component", digest)))
    .chain(agent.run.map(|run| ("run", format!("{run}, {} replicas", agent.replicas))))
    .collect()
}

fn condition(agent: &Agent) -> Vec<(&'static str, String)> {
    let failure = agent.last_failure.as_ref();
    let failed = failure.map(|failure| {
        let message = failure.message_id.as_ref().map(|id| format!(", message {id}")).unwrap_or_default();
        ("last failure", format!("{}: {} ({}{message})", failure.cause, failure.detail, failure.at))
    });
    let mut shown = match agent.kind {
        AgentKind::Component => {
            vec![("state", format!("{}, desired {}", agent.state, agent.desired)), ("steps", steps(agent))]
        }
        AgentKind::External => vec![("state", agent.state.to_string())],
    };
    shown.extend(agent.reason.clone().map(|reason| ("reason", reason)));
    shown.extend(agent.pending.as_ref().map(|pending| ("waits", pending_line(pending))));
    shown.extend(failed);
    shown.push(("subscribed", agent.subscriptions.join(", ")));
    shown
}

fn pending_line(pending: &PendingVersion) -> String {
    let PendingVersion { revision, version, digest, manifest_digest, widened, .. } = pending;
    format!("{version}, revision {revision}, {digest}, manifest {manifest_digest}: {}", widened.join("; "))
}

fn numbers(agent: &Agent) -> Vec<(&'static str, String)> {
    let did = &agent.counters;
    let sent = format!(
        "{} published, {} requested, {} replied, {} refused",
        did.published, did.requested, did.replied, did.refused
    );
    let mut shown: Vec<_> = agent.limits.iter().flat_map(|limits| limited(limits, did)).collect();
    shown.push((
        "messages",
        format!("{} received, {} handled, {} failed, {} dropped", did.received, did.handled, did.failed, did.dropped),
    ));
    shown.push(("sent", sent));
    shown.extend(agent.limits.iter().flat_map(|_| used(did)));
    shown
}

fn limited(limits: &AgentLimits, did: &AgentCounters) -> [(&'static str, String); 2] {
    let AgentLimits { memory_bytes, fuel_per_message, deadline_millis, concurrency, mailbox } = limits;
    let AgentCounters { waiting, in_flight, .. } = did;
    [
        (
            "limits",
            format!("{memory_bytes} bytes of memory, {fuel_per_message} fuel and {deadline_millis} ms a message"),
        ),
        ("queue", format!("{waiting} waiting of {mailbox}, {in_flight} in flight of {concurrency}")),
    ]
}

fn used(did: &AgentCounters) -> [(&'static str, String); 2] {
    let per_message = |total: u64| total / (did.handled + did.failed).max(1);
    let (fuel, micros) = (per_message(did.fuel_total), per_message(did.handle_micros_total));
    [("used", format!("{fuel} fuel and {micros} µs a message, on average")), ("restarts", did.restarts.to_string())]
}

#[cfg(test)]
mod tests {
    use host_wire::{AgentState, Desired, LastFailure, RunMode};

    use super::*;

    fn agent(state: AgentState, step: StartStep) -> Agent {
        Agent {
            tenant_id: "acme".into(),
            agent_id: "echo".into(),
            name: "Echo".into(),
            description: "Says it again.".into(),
            version: "0.1.0".into(),
            revision: 2,
            kind: AgentKind::Component,
            digest: Some("sha256:00".into()),
            run: Some(RunMode::PerMessage),
            replicas: 1,
            desired: Desired::Running,
            state,
            step,
            reason: None,
            pending: None,
            peers: 2,
            subscriptions: vec!["a.>".into()],
            deployed_at: "2026-11-21T18:57:39.123Z".into(),
            limits: Some(AgentLimits {
                memory_bytes: 1,
                fuel_per_message: 2,
                deadline_millis: 3,
                concurrency: 4,
                mailbox: 5,
            }),
            counters: AgentCounters { handled: 1, failed: 1, fuel_total: 10, ..AgentCounters::default() },
            last_failure: Some(LastFailure {
                cause: "trap".into(),
                detail: "unreachable".into(),
                at: "then".into(),
                message_id: Some("m".into()),
            }),
        }
    }

    #[test]
    fn progress_names_each_step_that_was_reached() {
        let check =
            |state, step, expected: &str| assert_eq!(progress(&agent(state, step)).lines().last().unwrap(), expected);
        check(AgentState::Stopped, StartStep::None, "steps: none");
        check(AgentState::Failed, StartStep::Validate, "steps: load, validate");
        check(
            AgentState::Ready,
            StartStep::Ready,
            "steps: load, validate, subscribe, register, discover (2 peers), ready",
        );
    }

    #[test]
    fn an_agent_that_should_be_up_and_is_not_is_a_failure() {
        let up = |state| super::super::check_up(&agent(state, StartStep::Load)).map_err(|error| error.to_string());
        assert_eq!(up(AgentState::Ready), Ok(()));
        assert_eq!(up(AgentState::Stopped), Ok(()));
        let refused = up(AgentState::Failed).unwrap_err();
        assert_eq!(
            refused,
            "acme/echo is not up, after step 'load': no reason given: see `bailiwick agent logs echo --tenant acme`"
        );
    }

    #[test]
    fn details_hold_the_last_failure_and_averages() {
        let text = details(&agent(AgentState::Ready, StartStep::Ready));
        assert!(text.contains("last failure  trap: unreachable (then, message m)"), "{text}");
        assert!(text.contains("5 fuel and 0 µs a message"), "{text}");
        assert_eq!(row(&agent(AgentState::Ready, StartStep::Ready)).len(), 10);
    }

    #[test]
    fn of_an_external_agent_nothing_is_shown_that_it_has_not() {
        let external = Agent {
            kind: AgentKind::External,
            digest: None,
            run: None,
            limits: None,
            ..agent(AgentState::Ready, StartStep::None)
        };
        let text = details(&external);
        assert!(text.contains("kind          external\nstate         ready\n"), "{text}");
        for absent in ["component", "run ", "limits", "fuel", "steps", "desired"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
        assert_eq!(row(&external)[3], "external");
    }
}
