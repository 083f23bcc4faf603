//! The tokens of a tenant's leases beside its state: a write under a lease and a grant of it come one before the other.

use std::collections::BTreeMap;

use async_trait::async_trait;
use host_bus::{
    Fenced, Fences, LeaseError, NatsError, SharedStateError, StateCell, StateChange, StateFound, StateHeld, StateTo,
};
use host_calls::Refusal;
use host_model::{Fence, FencingToken, LeaseName, LeaseScope, TenantId};

use super::super::leases::of_fenced;
use super::{Inner, SharedAgentState, TRIES_MAX, refused};

/// The latest token of each lease of a scope, by its id. As many as a scope has names.
type Tokens = BTreeMap<String, FencingToken>;

#[async_trait]
impl Fences for SharedAgentState {
    async fn latest(&self, name: &LeaseName) -> Result<Option<FencingToken>, LeaseError> {
        let inner = &*self.0;
        let here = inner.local.latest(name).await?;
        if inner.tenant(&name.tenant).is_none() {
            return Ok(here);
        }
        let (_, tokens) = inner.tokens(&name.tenant, &name.scope).await.map_err(broken)?;
        Ok(here.max(tokens.get(name.id.as_str()).copied()))
    }

    /// On this host's disk too: what NATS loses it still knows. Of a tenant that is not here only there.
    async fn raise(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError> {
        let inner = &*self.0;
        if inner.tenant(&name.tenant).is_some() {
            inner.raise(name, token).await.map_err(broken)?;
        }
        inner.local.raise(name, token).await
    }

    async fn heard(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError> {
        self.0.local.raise(name, token).await
    }
}

impl Inner {
    async fn tokens(&self, tenant: &TenantId, scope: &LeaseScope) -> Result<(StateFound, Tokens), SharedStateError> {
        let found = self.cells.read(tenant, &StateCell::Tokens(scope.clone())).await?;
        let read = found.held.as_ref().map_or_else(|| Ok(Tokens::new()), |held| serde_json::from_slice(&held.bytes));
        let tokens = read.map_err(|error| NatsError::new("read the tokens of leases", error))?;
        Ok((found, tokens))
    }

    async fn raise(&self, name: &LeaseName, token: FencingToken) -> Result<(), SharedStateError> {
        for _ in 0..TRIES_MAX {
            let (found, mut tokens) = self.tokens(&name.tenant, &name.scope).await?;
            let known = tokens.entry(name.id.as_str().to_owned()).or_insert(FencingToken(0));
            if *known >= token {
                return Ok(());
            }
            *known = token;
            let bytes = serde_json::to_vec(&tokens).expect("words and numbers");
            let to = StateTo::Holds(StateHeld { bytes, expires: None });
            let cell = StateCell::Tokens(name.scope.clone());
            if self.cells.change(&name.tenant, &[StateChange { cell, revision: found.revision, to }]).await? {
                return Ok(());
            }
        }
        Err(NatsError::new("raise the token of a lease", "others were quicker").into())
    }

    /// Refuses what is done under a lease that somebody else was granted since. Otherwise what has to stay as it is until the write.
    pub(super) async fn allowed(&self, tenant: &TenantId, fences: &[Fence]) -> Result<Vec<StateChange>, Refusal> {
        let mut scopes: Vec<&LeaseScope> = fences.iter().map(|fence| &fence.name.scope).collect();
        // A party's leases are all of one scope.
        scopes.dedup();
        let mut unchanged = Vec::new();
        for scope in scopes {
            let (found, tokens) = self.tokens(tenant, scope).await.map_err(refused)?;
            for fence in fences.iter().filter(|fence| fence.name.scope == *scope) {
                let latest = tokens.get(fence.name.id.as_str()).copied().filter(|latest| *latest > fence.token);
                if let Some(latest) = latest {
                    return Err(of_fenced(Fenced { token: fence.token, latest }));
                }
            }
            let cell = StateCell::Tokens(scope.clone());
            unchanged.push(StateChange { cell, revision: found.revision, to: StateTo::Same });
        }
        Ok(unchanged)
    }
}

fn broken(error: SharedStateError) -> LeaseError {
    LeaseError::Store(Box::new(error))
}
