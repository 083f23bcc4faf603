//! What is asked for, and the proof that it was recorded before it is done.

use std::fmt;

use host_model::{TenantId, Timestamp};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::ledger::Shared;
use crate::state::Job;
use crate::{Actor, Decision, Entry};

/// The longest target, in characters.
const TARGET_LEN_MAX: usize = 256;

/// A control action that somebody asks for.
#[derive(Debug, Clone)]
pub struct Act {
    actor: Actor,
    action: &'static str,
    tenant: Option<TenantId>,
    target: Option<String>,
    detail: Option<Value>,
}

impl Act {
    /// By the operator. `action` is a stable word such as `agent.deploy`.
    pub fn operator(action: &'static str) -> Self {
        Self { actor: Actor::Operator, action, tenant: None, target: None, detail: None }
    }

    /// By the host itself.
    pub fn host(action: &'static str) -> Self {
        Self { actor: Actor::Host, ..Self::operator(action) }
    }

    /// In a tenant.
    #[must_use]
    pub fn tenant(self, tenant: &TenantId) -> Self {
        Self { tenant: Some(tenant.clone()), ..self }
    }

    /// On a thing: an id, a digest, a pattern.
    #[must_use]
    pub fn on(self, target: &impl fmt::Display) -> Self {
        Self { target: Some(target.to_string().chars().take(TARGET_LEN_MAX).collect()), ..self }
    }

    /// With what the action's own words cannot say, such as values before and after. Never a secret, never a payload.
    #[must_use]
    pub fn detail(self, detail: Value) -> Self {
        Self { detail: Some(detail), ..self }
    }

    pub(crate) fn entry(self, at: Timestamp, decision: Decision) -> Entry {
        Entry {
            at,
            tenant: self.tenant,
            actor: self.actor.to_string(),
            action: self.action.into(),
            target: self.target,
            decision,
            code: None,
            limit: None,
            actual: None,
            count: None,
            first: None,
            of: None,
            detail: self.detail,
        }
    }
}

/// The proof that a control action is on the disk, in the audit, before it is done. Control verbs take one.
///
/// Whoever holds it says how the action ended; dropped without a word, it says `failed`, `abandoned`. The room for that line was
/// kept when the action was recorded, so that saying it neither waits nor fails.
///
/// ```compile_fail,E0451
/// fn forge(ledger: &host_ledger::Ledger) -> host_ledger::Recorded {
///     host_ledger::Recorded { open: None }
/// }
/// ```
/// ```compile_fail,E0277
/// fn must_clone<T: Clone>() {}
/// must_clone::<host_ledger::Recorded>();
/// ```
/// ```compile_fail,E0277
/// fn must_default<T: Default>() {}
/// must_default::<host_ledger::Recorded>();
/// ```
/// ```compile_fail,E0277
/// fn must_deserialise<T: for<'a> serde::Deserialize<'a>>() {}
/// must_deserialise::<host_ledger::Recorded>();
/// ```
#[must_use = "dropping it says that the action was abandoned"]
pub struct Recorded {
    open: Option<Open>,
}

struct Open {
    shared: Shared,
    entry: Entry,
    seq: u64,
    room: OwnedSemaphorePermit,
}

impl Recorded {
    /// Called by the writer once the record is on the disk, and nowhere else.
    pub(crate) fn new(shared: Shared, entry: Entry, seq: u64, room: OwnedSemaphorePermit) -> Self {
        Self { open: Some(Open { shared, entry, seq, room }) }
    }

    /// The action is done.
    pub fn done(self) {
        self.end(Decision::Done, None);
    }

    /// The action did not succeed, for the reason that a stable word of the host names.
    pub fn failed(self, code: &str) {
        self.end(Decision::Failed, Some(code));
    }

    fn end(mut self, decision: Decision, code: Option<&str>) {
        if let Some(open) = self.open.take() {
            open.end(decision, code);
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.end(Decision::Failed, Some("abandoned"));
        }
    }
}

impl Open {
    fn end(self, decision: Decision, code: Option<&str>) {
        let Self { shared, entry, seq, room } = self;
        let (at, code) = (shared.clock.now(), code.map(str::to_owned));
        let entry = Entry { at, decision, code, of: Some(seq), detail: None, ..entry };
        shared.push_outcome(Job { entry, room, asker: None });
    }
}
