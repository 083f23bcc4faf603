//! The verbs about what a tenant's agents may do: its policy, why a call is allowed or not, and versions that wait.

use std::sync::Arc;

use host_calls::inert;
use host_component::Digest;
use host_fleet::{AgentStatus, Fleet, LookedAt, PolicyInForce, ShadowPolicy};
use host_gate::{Ask, Explanation, explain};
use host_ledger::Act;
use host_model::{AgentId, BadId, Queue, TenantId, Topic};
use serde_json::json;

use crate::{App, AppError};

/// What of a version's name is kept in the audit, in bytes.
const VERSION_LEN_MAX: usize = 64;

/// Why one agent may or may not do something, and by which versions of which documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Both keys.
    pub explanation: Explanation,
    /// The agent's revision and its author's version.
    pub manifest: (u32, String),
    /// The version of the tenant's policy.
    pub policy: u32,
}

/// Which of an agent's versions is decided on, as somebody names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The revision it will be, or the author's version.
    pub version: String,
    /// Its component, if it was named.
    pub digest: Option<Digest>,
    /// The digest of its manifest, if it was named.
    pub manifest_digest: Option<Digest>,
}

impl App {
    /// The policy in force in a tenant.
    pub fn policy(&self, tenant: &TenantId) -> Result<Arc<PolicyInForce>, AppError> {
        Ok(self.fleet().policy(tenant)?)
    }

    /// The policy that is tried in a tenant, with what it would have denied; `None` if none is.
    pub fn shadow_policy(&self, tenant: &TenantId) -> Result<Option<Arc<ShadowPolicy>>, AppError> {
        Ok(self.fleet().shadow_policy(tenant)?)
    }

    /// Puts a policy in force.
    pub async fn set_policy(&self, tenant: &TenantId, text: String) -> Result<Arc<PolicyInForce>, AppError> {
        let before = self.fleet().policy(tenant)?.version;
        let (act, fleet, tenant) = self.on_tenant("tenant.policy", tenant);
        let act = act.detail(json!({ "before": before, "digest": Digest::of(text.as_bytes()).to_string() }));
        self.controlled(act, move |r| async move { fleet.set_policy(&r, &tenant, text).await }).await
    }

    /// Tries a policy beside the one in force; `None` ends the trial.
    pub async fn set_shadow_policy(
        &self,
        tenant: &TenantId,
        text: Option<String>,
    ) -> Result<Option<Arc<ShadowPolicy>>, AppError> {
        let (act, fleet, tenant) = self.on_tenant("tenant.policy.shadow", tenant);
        let digest = text.as_deref().map(|text| Digest::of(text.as_bytes()).to_string());
        let act = act.detail(json!({ "digest": digest }));
        self.controlled(act, move |r| async move { fleet.set_shadow_policy(&r, &tenant, text).await }).await
    }

    /// Why an agent may or may not do something now.
    pub fn explain(&self, tenant: &TenantId, agent: &AgentId, verb: &str, target: &str) -> Result<Explained, AppError> {
        let status = self.fleet().status(tenant, agent)?;
        let policy = self.fleet().policy(tenant)?;
        let ask = ask(tenant, verb, target)?;
        Ok(Explained {
            explanation: explain(agent, &status.grants, &policy.document.policy, &ask),
            manifest: (status.revision, status.version),
            policy: policy.version,
        })
    }

    /// Deploys a version that waits, exactly as it was looked at.
    pub async fn approve(&self, tenant: &TenantId, agent: &AgentId, choice: Choice) -> Result<AgentStatus, AppError> {
        let (act, fleet, looked_at) = self.decision("agent.approve", tenant, agent, choice)?;
        let (tenant, agent) = (tenant.clone(), agent.clone());
        self.controlled(act, move |r| async move { fleet.approve(&r, &tenant, &agent, &looked_at).await }).await
    }

    /// Gives up a version that waits.
    pub async fn reject(&self, tenant: &TenantId, agent: &AgentId, choice: Choice) -> Result<AgentStatus, AppError> {
        let (act, fleet, looked_at) = self.decision("agent.reject", tenant, agent, choice)?;
        let (tenant, agent) = (tenant.clone(), agent.clone());
        self.controlled(act, move |r| async move { fleet.reject(&r, &tenant, &agent, &looked_at).await }).await
    }

    /// What is decided on, pinned to digests: those that were named, else those of the version that waits now. The record names
    /// what the fleet then compares, so that a version deployed in between is refused and not decided on under this record.
    fn decision(
        &self,
        action: &'static str,
        tenant: &TenantId,
        agent: &AgentId,
        choice: Choice,
    ) -> Result<(Act, Fleet, LookedAt), AppError> {
        let (act, fleet, tenant, agent) = self.act(action, tenant, agent);
        let pending = fleet.pending(&tenant, &agent)?;
        let Choice { version, digest, manifest_digest } = choice;
        let digest = digest.unwrap_or(pending.digest);
        let manifest_digest = manifest_digest.unwrap_or(pending.manifest_digest);
        let detail = json!({
            "version": inert(&version, VERSION_LEN_MAX),
            "component": digest.to_string(),
            "manifest": manifest_digest.to_string(),
        });
        Ok((act.detail(detail), fleet, LookedAt { version, digest, manifest_digest }))
    }
}

/// What is asked about, as a person writes it: `publish incident.created`.
fn ask(tenant: &TenantId, verb: &str, target: &str) -> Result<Ask, AppError> {
    let bad = |problem: String| AppError::BadQuestion { problem };
    let topic = || Topic::parse_in(tenant, target).map_err(|problem| bad(problem.to_string()));
    match verb {
        "publish" => topic().map(Ask::Publish),
        "subscribe" => topic().map(Ask::Subscribe),
        "send" => target.parse().map(Ask::Send).map_err(|problem: BadId| bad(problem.to_string())),
        // A shared queue answers nobody.
        "request" => {
            target.parse().map(AgentId::into).map(Ask::Send).map_err(|problem: BadId| bad(problem.to_string()))
        }
        "take" => Queue::shared(target).map(Ask::Take).map_err(|problem| bad(problem.to_string())),
        "http" => target.parse().map(Ask::Http).map_err(|problem: host_model::BadHost| bad(problem.to_string())),
        "secret" => {
            target.parse().map(Ask::Secret).map_err(|problem: host_model::BadSecretName| bad(problem.to_string()))
        }
        "discover" => Ok(Ask::Discover),
        "state" => Ok(Ask::State),
        "storage" => Ok(Ask::Storage),
        "leases" => Ok(Ask::Leases),
        _ => {
            Err(bad("use publish, subscribe, send, request, take, discover, state, storage, leases, http or secret"
                .to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_a_verb_and_what_it_is_done_to() {
        let check = |verb: &str, target: &str, expected: Result<Ask, &str>| {
            let read = ask(&"acme".parse().unwrap(), verb, target);
            assert_eq!(read.as_ref().map_err(ToString::to_string).map_err(|_| ()), expected.as_ref().map_err(|_| ()));
            if let (Err(refused), Err(part)) = (read, expected) {
                assert!(refused.to_string().contains(part), "{refused}");
            }
        };
        check("publish", "tenants/acme/a/b", Ok(Ask::Publish("a.b".parse().unwrap())));
        check("request", "kb", Ok(Ask::Send("kb".parse().unwrap())));
        check("send", "agents", Ok(Ask::Send(Queue::Agents)));
        check("request", "agents", Err("'agents' is reserved"));
        check("take", "agents", Ok(Ask::Take(Queue::Agents)));
        check("take", "kb", Err("not a queue that agents share"));
        check("state", "", Ok(Ask::State));
        check("http", "a.com:8443", Ok(Ask::Http("a.com:8443".parse().unwrap())));
        check("publish", "a b", Err("not a topic"));
        check("publish", "tenants.globex.a", Err("one's own tenant"));
        check("fly", "", Err("use publish"));
    }
}
