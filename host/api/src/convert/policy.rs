//! Policies and explanations, as clients see them.

use host_app::{Explained, Pending, PolicyInForce, ShadowPolicy};
use host_component::PolicyDocument;
use host_model::TenantId;
use host_wire::{Explanation, Key, PendingVersion, Policy, WouldDeny};

pub(crate) fn policy_of(tenant: &TenantId, policy: &PolicyInForce) -> Policy {
    Policy {
        tenant_id: tenant.to_string(),
        shadow: false,
        version: Some(policy.version),
        since: policy.set.map(|set| set.to_string()),
        policy: policy.text.clone(),
        warnings: warnings_of(&policy.document),
        would_deny: Vec::new(),
        would_deny_more: 0,
    }
}

pub(crate) fn shadow_of(tenant: &TenantId, shadow: &ShadowPolicy) -> Policy {
    let (kinds, more) = shadow.would_deny();
    let would_deny = kinds.into_iter().map(|kind| WouldDeny {
        agent_id: kind.agent.to_string(),
        verb: kind.key.to_owned(),
        target: kind.what,
        count: kind.count,
    });
    Policy {
        tenant_id: tenant.to_string(),
        shadow: true,
        version: None,
        since: Some(shadow.since.to_string()),
        policy: shadow.text.clone(),
        warnings: warnings_of(&shadow.document),
        would_deny: would_deny.collect(),
        would_deny_more: more,
    }
}

pub(crate) fn pending_of(pending: &Pending) -> PendingVersion {
    PendingVersion {
        revision: pending.revision,
        version: pending.version.clone(),
        digest: pending.digest.to_string(),
        manifest_digest: pending.manifest_digest.to_string(),
        asked_at: pending.asked.to_string(),
        widened: pending.widened.iter().map(ToString::to_string).collect(),
    }
}

pub(crate) fn explanation_of(explained: Explained) -> Explanation {
    let Explained { explanation, manifest: (revision, version), policy } = explained;
    let decision = if explanation.is_allowed() { "allowed" } else { "denied" };
    let key = |owner: &str, document: String, rule: Option<String>, missing: &str| Key {
        owner: owner.to_owned(),
        document,
        allows: rule.is_some(),
        rule: rule.unwrap_or_else(|| missing.to_owned()),
    };
    let author = format!("manifest {version}, revision {revision}");
    let operator = format!("policy version {policy}");
    let rule = explanation.allowed.map(|(name, entry)| format!("{name}: {entry}"));
    let mut keys = vec![
        key("author", author, explanation.asked, "no entry of the manifest asks for it"),
        key("operator", operator, rule, "no rule of the tenant's policy allows it"),
    ];
    keys.extend(explanation.forbidden.map(|rule| key("host", "the gate".to_owned(), None, rule)));
    Explanation { decision: decision.to_owned(), keys }
}

fn warnings_of(document: &PolicyDocument) -> Vec<String> {
    document.warnings.iter().map(ToString::to_string).collect()
}
