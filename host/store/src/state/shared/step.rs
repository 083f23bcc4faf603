//! One change of one tenant's state: read, work out what comes of it, and write that if nobody was quicker.

use host_bus::{NatsError, SharedStateError, StateCell, StateChange, StateEntry, StateHeld, StateTo};
use host_calls::{Refusal, StateReply};
use host_courier::Value;
use host_model::{AgentId, LeaseScope, TenantId, Timestamp};
use host_quota::{Budget, OverBudget, TenantBudgets};
use serde::{Deserialize, Serialize};

use super::super::usage::Size;
use super::super::write::{Change, Write, change};
use super::super::{Tenant, leases};
use super::{Inner, TRIES_MAX, busy, refused};
use crate::StoreError;
use crate::refusal::{failed, over_quota};

/// Keys that one step deletes: the server takes at most 1000 changes at once.
const DELETED_AT_ONCE: usize = 500;

/// How much a tenant keeps, over all hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Usage {
    keys: u64,
    bytes: u64,
}

impl Usage {
    pub(super) fn size(self) -> Size {
        Size { keys: self.keys, bytes: self.bytes }
    }

    fn of(size: Size) -> Self {
        Self { keys: size.keys, bytes: size.bytes }
    }

    fn without(self, entries: &[StateEntry]) -> Self {
        let gone = entries.iter().map(size_of).fold(Size::default(), Size::plus);
        Self::of(self.size().less(gone))
    }

    fn read(held: Option<StateHeld>) -> Result<Self, SharedStateError> {
        let read = held.map_or_else(|| Ok(Self::default()), |held| serde_json::from_slice(&held.bytes));
        read.map_err(|error| SharedStateError::from(NatsError::new("read how much a tenant keeps", error)))
    }

    /// In place of what was read under this revision.
    fn written(self, revision: u64) -> StateChange {
        let bytes = serde_json::to_vec(&self).expect("two numbers");
        StateChange { cell: StateCell::Usage, revision, to: StateTo::Holds(StateHeld { bytes, expires: None }) }
    }
}

impl Inner {
    pub(super) async fn usage(&self, tenant: &TenantId) -> Result<(u64, Usage), SharedStateError> {
        let found = self.cells.read(tenant, &StateCell::Usage).await?;
        Ok((found.revision, Usage::read(found.held)?))
    }

    /// For who has all of the tenant's turns.
    pub(super) async fn apply(&self, tenant: &Tenant, write: Write<'_>) -> Result<StateReply, Refusal> {
        self.check_here(&write.fences).await?;
        for _ in 0..TRIES_MAX {
            // Boxed: what the client keeps while it asks three times is large.
            if let Some(reply) = Box::pin(self.try_once(tenant, &write)).await? {
                return Ok(reply);
            }
        }
        Err(busy())
    }

    /// What this host's disk knows of grants: also what NATS has lost since.
    async fn check_here(&self, fences: &[host_model::Fence]) -> Result<(), Refusal> {
        if fences.is_empty() {
            return Ok(());
        }
        let reader = self.local.0.readers.acquire().await;
        leases::check(&mut *reader.map_err(|error| failed("state", &error))?, fences).await
    }

    /// None if somebody on another host was quicker, or room was made first.
    async fn try_once(&self, tenant: &Tenant, write: &Write<'_>) -> Result<Option<StateReply>, Refusal> {
        let id = write.caller.tenant();
        // Whatever is read after the usage and was changed meanwhile has changed the usage too.
        let (revision, usage) = self.usage(id).await.map_err(refused)?;
        let cell = StateCell::Entry(write.caller.agent().clone(), write.key.clone());
        let (found, unchanged) = tokio::join!(self.cells.read(id, &cell), self.allowed(id, &write.fences));
        let (found, unchanged) = (found.map_err(refused)?, unchanged?);
        let before = found.held.as_ref().map_or(Size::default(), |held| Size::of(write.key.as_str(), &held.bytes));
        let live = found.held.map(value).filter(|value| value.expires.is_none_or(|expires| expires > write.now));
        let (to, reply, came) = match change(live.as_ref(), &write.what)? {
            Change::Nothing(reply) => return Ok(Some(reply)),
            Change::Delete if before == Size::default() => return Ok(Some(StateReply::Done(false))),
            Change::Delete => (StateTo::Empty, StateReply::Done(live.is_some()), Size::default()),
            Change::Put(Value { bytes, expires }, reply) => {
                let came = Size::of(write.key.as_str(), &bytes);
                (StateTo::Holds(StateHeld { bytes, expires }), reply, came)
            }
        };
        if let Err(refusal) = room(&tenant.budgets, usage.size(), came.less(before)) {
            let swept = self.sweep(id, write.now, (revision, usage)).await.map_err(refused)?;
            return if swept { Ok(None) } else { Err(refusal) };
        }
        let usage = Usage::of(usage.size().less(before).plus(came));
        let entry = StateChange { cell, revision: found.revision, to };
        let changes: Vec<StateChange> = unchanged.into_iter().chain([entry, usage.written(revision)]).collect();
        if !self.cells.change(id, &changes).await.map_err(refused)? {
            return Ok(None);
        }
        tenant.count(usage);
        Ok(Some(reply))
    }

    /// Takes expired keys of the tenant away, so that a quota refuses only what there is no room for. False if there were none.
    async fn sweep(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        (revision, usage): (u64, Usage),
    ) -> Result<bool, SharedStateError> {
        let mut expired = self.cells.entries(tenant, None).await?;
        expired.retain(|entry| entry.expires.is_some_and(|expires| expires <= now));
        expired.truncate(DELETED_AT_ONCE);
        if expired.is_empty() {
            return Ok(false);
        }
        // Whether it was done, or somebody was quicker, the next try sees.
        self.cells.change(tenant, &deletion(&expired, revision, usage)).await.map(|_| true)
    }

    /// Deletes an agent's keys, and the tokens of its scope. How much is kept afterwards.
    pub(super) async fn delete_entries(&self, tenant: &TenantId, agent: &AgentId) -> Result<Usage, StoreError> {
        let tokens = StateCell::Tokens(LeaseScope::Agent(agent.clone()));
        for _ in 0..TRIES_MAX {
            let (revision, usage) = self.usage(tenant).await?;
            let mut entries = self.cells.entries(tenant, Some(agent)).await?;
            let granted = self.cells.read(tenant, &tokens).await?;
            if entries.is_empty() && granted.held.is_none() {
                return Ok(usage);
            }
            entries.truncate(DELETED_AT_ONCE);
            let mut changes = deletion(&entries, revision, usage);
            changes.push(StateChange { cell: tokens.clone(), revision: granted.revision, to: StateTo::Empty });
            self.cells.change(tenant, &changes).await?;
        }
        Err(StoreError::Contended)
    }
}

/// Entries that go, and how much is kept then.
fn deletion(entries: &[StateEntry], revision: u64, usage: Usage) -> Vec<StateChange> {
    let emptied = |entry: &StateEntry| StateChange {
        cell: StateCell::Entry(entry.agent.clone(), entry.key.clone()),
        revision: entry.revision,
        to: StateTo::Empty,
    };
    entries.iter().map(emptied).chain([usage.without(entries).written(revision)]).collect()
}

fn size_of(entry: &StateEntry) -> Size {
    Size { keys: 1, bytes: entry.key.as_str().len() as u64 + entry.value_len }
}

fn value(held: StateHeld) -> Value {
    Value { bytes: held.bytes, expires: held.expires }
}

/// What is kept over a lowered quota stays; only growth is refused.
fn room(budgets: &TenantBudgets, used: Size, growth: Size) -> Result<(), Refusal> {
    fits("state-keys", &budgets.state_keys, used.keys, growth.keys)?;
    fits("state-bytes", &budgets.state_bytes, used.bytes, growth.bytes)
}

fn fits(code: &str, budget: &Budget, used: u64, asked: u64) -> Result<(), Refusal> {
    let max = budget.max();
    let fits = asked == 0 || used.saturating_add(asked) <= max;
    if fits { Ok(()) } else { Err(over_quota(code, OverBudget { used, asked, max })) }
}
