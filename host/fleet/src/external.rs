//! Agents without a component: somebody outside who sends and receives through the API, as a principal of its own.
//!
//! In all that messages see it is an agent: an id that is never given again, grants for which both keys turned, a queue. What runs
//! it is not ours, so that it is not started or stopped; what proves it is a token.

mod bearer;
mod outbox;
mod outside;
mod records;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use host_bus::{Inbound, Interest, Subscribe, SubscriptionId};
use host_component::Manifest;
use host_courier::{Counters, Party};
use host_gate::Accepted;
use host_ledger::Recorded;
use host_model::{AgentId, Caller, Queue, TenantId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OwnedSemaphorePermit;

use crate::fleet::{Fleet, Tenant};
use crate::hold::AgentHold;
use crate::{AgentStatus, Desired, FleetError, Phase, RepositoryError, Step};

pub use bearer::{Bearer, Stream, Streamed};
use outbox::Outbox;
pub use outbox::{BadCursor, Cursor, UNACKNOWLEDGED_MAX};
use outside::Outlet;
pub use records::{ExternalRecord, ExternalRepository, TokenRecord};
use tokens::TOKENS_MAX;
pub(crate) use tokens::TokenBook;
pub use tokens::{BadTokenId, Minted, TokenId};

/// The most external agents of a tenant.
const EXTERNAL_AGENTS_MAX: usize = 1_000;
/// The most streams of a tenant's external agents that are open at once: one tenant takes no room from the others.
pub(crate) const STREAMS_MAX: usize = 256;

/// One registration of an external agent. Another registration of its id is another one of these.
pub(crate) struct External {
    record: ExternalRecord,
    manifest: Manifest,
    party: Arc<Party>,
    hold: AgentHold,
    outbox: Arc<Outbox>,
    inbound: Arc<dyn Inbound>,
    outlet: Option<Outlet>,
    /// Made while a stream is open: nothing is handed to somebody who is not there.
    subscriptions: Mutex<Vec<SubscriptionId>>,
}

impl Fleet {
    /// Registers an agent that has no component, or another revision of one: the manifest says who it is and what it asks for.
    pub async fn register(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        manifest: String,
    ) -> Result<AgentStatus, FleetError> {
        let tenant = self.tenant(tenant)?;
        let parsed = Manifest::parse(&manifest)?.external()?;
        // With deployments one at a time, so that two of either kind do not both find an id free.
        let _turn = tenant.deploying.lock().await;
        tenant.hold.takes_work()?;
        self.still_there(&tenant)?;
        let policy = tenant.policies.read().enforced.clone();
        parsed.within(&policy.document.policy).map_err(FleetError::BeyondPolicy)?;
        let before = tenant.may_register(&parsed.agent.id)?;
        let revision = before.as_ref().map_or(1, |before| before.record.revision.saturating_add(1));
        let (tenant_id, agent) = (tenant.id().clone(), parsed.agent.id.clone());
        let record =
            ExternalRecord { tenant: tenant_id, agent, revision, manifest, registered: self.parts().clock.now() };
        self.parts().external.save_external(&record).await.map_err(|error| taken(error, &record.agent))?;
        let counters = before.as_ref().map(|before| before.party.counters.clone()).unwrap_or_default();
        // The one before first: what it did not acknowledge is handed to this one.
        if let Some(before) = &before {
            self.close(before);
        }
        Ok(self.seat(&tenant, record, parsed, counters)?.status())
    }

    /// Mints a token for an external agent.
    pub async fn mint_token(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
        lifetime: Duration,
    ) -> Result<Minted, FleetError> {
        let tenant = self.tenant(tenant)?;
        let _turn = tenant.deploying.lock().await;
        let external = tenant.external(agent)?;
        let now = self.parts().clock.now();
        self.drop_expired(&external).await?;
        if self.token_book().of(tenant.id(), agent).len() >= TOKENS_MAX {
            return Err(FleetError::TooManyTokens { agent: agent.clone(), len_max: TOKENS_MAX });
        }
        let minted = tokens::mint(tenant.id(), agent, now, lifetime)?;
        self.parts().external.save_token(&minted.record).await?;
        self.token_book().add(minted.record.clone());
        Ok(minted)
    }

    /// An external agent's tokens, oldest first.
    pub fn tokens(&self, tenant: &TenantId, agent: &AgentId) -> Result<Vec<TokenRecord>, FleetError> {
        self.tenant(tenant)?.external(agent)?;
        Ok(self.token_book().of(tenant, agent))
    }

    /// Ends a token at once, and the stream that is open, whichever token opened it: who has another token opens it again.
    pub async fn revoke_token(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
        token: TokenId,
    ) -> Result<(), FleetError> {
        let found = self.tenant(tenant)?;
        let _turn = found.deploying.lock().await;
        let external = found.external(agent)?;
        let named = self.token_book().of(tenant, agent).into_iter().find(|kept| kept.id() == token);
        let named = named.ok_or(FleetError::NoToken(token))?;
        // From now on it has expired. Should the store fail, it can be named once more.
        self.token_book().add(TokenRecord { expires: self.parts().clock.now(), ..named.clone() });
        self.end_stream(&external, external.subscriptions.lock());
        self.parts().external.delete_token(&named.digest).await?;
        self.token_book().remove(&named.digest);
        Ok(())
    }

    /// Whom a token is for. `None` for every text that is no valid token now.
    pub fn bearer(&self, token: &str) -> Option<Arc<Bearer>> {
        let token = self.token_book().find(token, self.parts().clock.now())?;
        let external = self.tenant(&token.tenant).ok()?.external(&token.agent).ok()?;
        Some(Arc::new(Bearer::new(self.clone(), external, token)))
    }

    /// An external agent as a principal, for a bus that has proven that it is the agent. Refused while it or its tenant takes no work.
    pub fn external_party(&self, tenant: &TenantId, agent: &AgentId) -> Result<Arc<Party>, FleetError> {
        self.tenant(tenant)?.external(agent)?.at_work().cloned()
    }

    /// Deletes an external agent with its tokens. Its id is never given again.
    pub(crate) async fn delete_external(&self, tenant: &Tenant, agent: &AgentId) -> Result<(), FleetError> {
        let _turn = tenant.deploying.lock().await;
        let external = tenant.external(agent)?;
        self.parts().external.delete_external(tenant.id(), agent).await?;
        tenant.externals.write().remove(agent);
        self.token_book().retain(|token| token.tenant != *tenant.id() || token.agent != *agent);
        self.close(&external);
        self.parts().bus.unbind(tenant.id(), agent);
        Ok(())
    }

    /// Ends what is open to the external agents of a tenant in quarantine.
    pub(crate) fn cut_off_externals(&self, tenant: &Tenant) {
        for external in tenant.externals.read().values() {
            self.close(external);
        }
    }

    /// Ends all external agents of a tenant that is deleted.
    pub(crate) fn forget_externals(&self, tenant: &Tenant) {
        for (_, external) in std::mem::take(&mut *tenant.externals.write()) {
            self.close(&external);
        }
        self.token_book().retain(|token| token.tenant != *tenant.id());
    }

    /// Takes over what was kept.
    pub(crate) async fn load_externals(&self) -> Result<(), FleetError> {
        for record in self.parts().external.external_agents().await? {
            let tenant = self.tenant(&record.tenant)?;
            let manifest = Manifest::parse(&record.manifest).and_then(Manifest::external).map_err(|source| {
                FleetError::Kept { tenant: record.tenant.clone(), agent: record.agent.clone(), source }
            })?;
            self.seat(&tenant, record, manifest, Arc::default())?;
        }
        for token in self.parts().external.tokens().await? {
            self.token_book().add(token);
        }
        Ok(())
    }

    async fn drop_expired(&self, external: &External) -> Result<(), FleetError> {
        let (tenant, agent) = (&external.record.tenant, &external.record.agent);
        let now = self.parts().clock.now();
        for token in self.token_book().of(tenant, agent).iter().filter(|token| token.expires <= now) {
            self.parts().external.delete_token(&token.digest).await?;
            self.token_book().remove(&token.digest);
        }
        Ok(())
    }

    /// Lets it send and receive.
    fn seat(
        &self,
        tenant: &Tenant,
        record: ExternalRecord,
        manifest: Manifest,
        counters: Arc<Counters>,
    ) -> Result<Arc<External>, FleetError> {
        let run = getrandom::u64().map_err(FleetError::NoRandomness)?;
        let version = manifest.agent.version.clone();
        let caller = Caller::born(record.tenant.clone(), record.agent.clone(), version, self.next_incarnation());
        let hold = AgentHold::new(record.agent.clone(), tenant.hold.clone());
        let caller = Arc::new(caller);
        let outbox = Arc::new(Outbox::new(caller.clone(), run));
        Ok(tenant.take_in(|policies| {
            let party = tenant.external_party(policies, caller, &manifest, counters, hold.switch());
            self.bind_party(&party);
            let inbound = self.parts().courier.inbound(party.clone(), outbox.clone());
            let outlet = self.outlet(&party);
            External { record, manifest, party, hold, outbox, inbound, outlet, subscriptions: Mutex::default() }
        }))
    }

    /// Serves a stream, from now on and in place of the one before: gives its number, and the first message it may have.
    fn listen(&self, external: &External) -> (u64, u64) {
        let mut subscriptions = external.subscriptions.lock();
        let opened = external.outbox.open();
        self.close_outlet(external);
        if subscriptions.is_empty() {
            *subscriptions = self.subscribe_external(external);
        }
        opened
    }

    /// A stream has ended. Nothing, if another one took its place.
    fn leave(&self, external: &External, stream: u64) {
        let subscriptions = external.subscriptions.lock();
        if external.outbox.serves(stream) {
            self.end_stream(external, subscriptions);
        }
    }

    /// Ends the stream that is open.
    fn end_stream(&self, external: &External, mut subscriptions: MutexGuard<'_, Vec<SubscriptionId>>) {
        self.unsubscribe_external(external, &mut subscriptions);
        let left = external.outbox.end_stream();
        drop(subscriptions);
        self.give_back(external, left);
        self.open_outlet(external);
    }

    fn subscribe_external(&self, external: &External) -> Vec<SubscriptionId> {
        let External { record: ExternalRecord { tenant, agent, .. }, manifest, inbound, .. } = external;
        let topics = manifest.grants.subscribe.iter().cloned().map(Interest::Topics);
        let queues = std::iter::once(Queue::Agent(agent.clone())).chain(manifest.grants.queues.iter().cloned());
        let queues = queues.map(|queue| Interest::Queue { queue, in_flight_max: UNACKNOWLEDGED_MAX });
        let interests = queues.chain(topics);
        let subscribe =
            |interest| Subscribe { tenant: tenant.clone(), interest, queue: Some(agent.clone()), member: None };
        interests.map(|interest| self.parts().bus.subscribe(subscribe(interest), inbound.clone())).collect()
    }

    fn unsubscribe_external(&self, external: &External, subscriptions: &mut Vec<SubscriptionId>) {
        for subscription in subscriptions.drain(..) {
            self.parts().bus.unsubscribe(&external.record.tenant, subscription);
        }
    }

    fn close(&self, external: &External) {
        external.hold.switch().turn_off();
        self.close_outlet(external);
        self.unsubscribe_external(external, &mut external.subscriptions.lock());
        self.give_back(external, external.outbox.close());
    }

    fn give_back(&self, external: &External, left: Vec<Arc<Accepted>>) {
        for accepted in left {
            self.parts().courier.drop_waiting(&external.party, &accepted);
        }
    }
}

impl External {
    pub(crate) fn status(&self) -> AgentStatus {
        let Self { record, manifest, party, hold, outbox, .. } = self;
        AgentStatus {
            tenant: record.tenant.clone(),
            agent: record.agent.clone(),
            name: manifest.agent.name.clone(),
            description: manifest.agent.description.clone(),
            version: manifest.agent.version.clone(),
            revision: record.revision,
            digest: None,
            run: None,
            replicas: 0,
            desired: Desired::Running,
            standing: hold.standing(),
            // Whoever runs it, it is not for us to say whether it is up: its queue is open.
            phase: Phase::Ready,
            step: Step::None,
            backing_off: 0,
            reason: None,
            pending: None,
            peers: 0,
            grants: manifest.grants.clone(),
            subscriptions: manifest.grants.subscribe.clone(),
            deployed: record.registered,
            limits: None,
            counters: party.counters.view(),
            waiting: outbox.len(),
            in_flight: 0,
            last_failure: None,
        }
    }

    pub(crate) fn id(&self) -> &AgentId {
        &self.record.agent
    }

    pub(crate) fn party(&self) -> &Arc<Party> {
        &self.party
    }

    /// The party, while it and its tenant take work.
    pub(crate) fn at_work(&self) -> Result<&Arc<Party>, FleetError> {
        self.hold.takes_work()?;
        Ok(&self.party)
    }

    /// Who it is to the courier, and what it asks for.
    pub(crate) fn reach(&self) -> (&Party, &Manifest) {
        (&self.party, &self.manifest)
    }
}

impl Tenant {
    /// An external agent of this id; one that is deployed is none.
    pub(crate) fn external(&self, agent: &AgentId) -> Result<Arc<External>, FleetError> {
        let deployed = || self.agents.read().contains_key(agent);
        self.find_external(agent).ok_or_else(|| {
            let refused = if deployed() { FleetError::NotExternal } else { FleetError::NoAgent };
            refused(agent.clone())
        })
    }

    pub(crate) fn find_external(&self, agent: &AgentId) -> Option<Arc<External>> {
        self.externals.read().get(agent).cloned()
    }

    /// Room for one more stream, until the permit is dropped. Never waits.
    fn stream_room(&self) -> Result<OwnedSemaphorePermit, FleetError> {
        self.streams.clone().try_acquire_owned().map_err(|_| FleetError::TooManyStreams { len_max: STREAMS_MAX })
    }

    /// Why no agent of this id is deployed.
    pub(crate) fn not_deployed(&self, agent: &AgentId) -> FleetError {
        match self.find_external(agent) {
            Some(_) => FleetError::External(agent.clone()),
            None => FleetError::NoAgent(agent.clone()),
        }
    }

    /// A component is not deployed under the id of an external agent.
    pub(crate) fn not_external(&self, agent: &AgentId) -> Result<(), FleetError> {
        self.find_external(agent).map_or(Ok(()), |_| Err(FleetError::Taken(agent.to_string())))
    }

    /// The registration before, if there is one, of an id that is free for this.
    fn may_register(&self, agent: &AgentId) -> Result<Option<Arc<External>>, FleetError> {
        if self.agents.read().contains_key(agent) {
            return Err(FleetError::Taken(agent.to_string()));
        }
        let externals = self.externals.read();
        let before = externals.get(agent).cloned();
        if before.is_none() && externals.len() >= EXTERNAL_AGENTS_MAX {
            return Err(FleetError::TooManyExternal { len_max: EXTERNAL_AGENTS_MAX });
        }
        Ok(before)
    }
}

fn taken(error: RepositoryError, agent: &AgentId) -> FleetError {
    match error {
        RepositoryError::Taken => FleetError::Taken(agent.to_string()),
        error @ RepositoryError::Store { .. } => error.into(),
    }
}
