//! What is heard on a tenant's subjects, and for how long this host listens.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_model::{AgentId, MessageId, TenantId};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::peers::{Peers, Route};
use super::subjects;
use crate::EmbeddedBus;
use crate::carried::{Arrived, Carried, Place};

/// The tenants that are listened to.
#[derive(Default)]
pub(super) struct Listening(Mutex<HashMap<TenantId, Heard, RandomState>>);

struct Heard {
    over: CancellationToken,
    /// The subscription is on its way to the server: what other hosts send from now on arrives.
    heard: bool,
}

impl Listening {
    /// Begins or ends listening, if that is not so already. Who asks at the same time asks one after the other.
    pub(super) fn follow(
        &self,
        tenant: &TenantId,
        wanted: impl FnOnce() -> bool,
        begin: impl FnOnce(TenantId, CancellationToken),
    ) {
        let mut tenants = self.0.lock();
        match (wanted(), tenants.contains_key(tenant)) {
            (true, false) => {
                let over = CancellationToken::new();
                tenants.insert(tenant.clone(), Heard { over: over.clone(), heard: false });
                drop(tenants);
                begin(tenant.clone(), over);
            }
            (false, true) => {
                if let Some(Heard { over, .. }) = tenants.remove(tenant) {
                    over.cancel();
                }
            }
            _ => {}
        }
    }
}

impl Listening {
    pub(super) fn set_heard(&self, tenant: &TenantId, to: bool) {
        if let Some(heard) = self.0.lock().get_mut(tenant) {
            heard.heard = to;
        }
    }

    /// Whether other hosts may be told that this one receives in a tenant.
    pub(super) fn is_heard(&self, tenant: &TenantId) -> bool {
        self.0.lock().get(tenant).is_some_and(|heard| heard.heard)
    }
}

/// The id that a frame names. It is not verified: who lies about it is refused by the receiver.
#[derive(Deserialize)]
struct Named {
    id: MessageId,
}

/// Hands what came over the wire to the receivers of this host that it is for. They verify it.
pub(super) fn take_in(tenant: &TenantId, message: &async_nats::Message, local: &EmbeddedBus, peers: &Peers) {
    let Some(arrived) = arrived("tenants", tenant, message) else { return };
    let Ok(Named { id }) = serde_json::from_slice::<Named>(&arrived.bytes) else {
        // Whoever receives it refuses it, and that is in the audit.
        return hand_on_malformed(tenant, &arrived, local);
    };
    let handed = match arrived.place() {
        // It has come by the subscription to all answers too.
        Place::Reply => Ok(()),
        Place::Queue(queue) => match peers.route_to_queue(tenant, queue, id, local.sharing_of(tenant, queue)) {
            Route { here: true, .. } => local.hand_on(tenant, &arrived, |_| true),
            Route { here: false, .. } => Ok(()),
        },
        Place::Topic(topic) => {
            let here = |group: &AgentId| local.sharing_in(tenant, group);
            local.hand_on(tenant, &arrived, |group: &AgentId| peers.is_ours(tenant, topic, group, id, || here(group)))
        }
    };
    if let Err(error) = handed {
        tracing::debug!(%tenant, %error, "a message from the wire was not taken");
    }
    local.show(tenant, &arrived);
}

/// Hands an answer to whoever waits for it on this host. They verify it.
pub(super) fn answer(message: &async_nats::Message, local: &EmbeddedBus) {
    let tenant = message.subject.split('.').nth(1).and_then(|tenant| tenant.parse::<TenantId>().ok());
    let Some(arrived) = tenant.and_then(|tenant| arrived("tenants", &tenant, message)) else { return };
    if let Err(error) = local.answer(&arrived) {
        // It is awaited on another host, or by nobody any more.
        tracing::trace!(%error, "an answer is for nobody here");
    }
}

/// Shows a kept message to those who watch on this host. They verify it.
pub(super) fn show(tenant: &TenantId, message: &async_nats::Message, local: &EmbeddedBus) {
    if let Some(arrived) = arrived("shown", tenant, message) {
        local.show(tenant, &arrived);
    }
}

fn arrived(begins: &str, tenant: &TenantId, message: &async_nats::Message) -> Option<Arrived> {
    let read = subjects::read(begins, tenant, &message.subject);
    if read.is_none() && !subjects::is_outside(tenant, &message.subject) {
        tracing::warn!(%tenant, subject = %message.subject, "a subject on the wire is none that a host writes");
    }
    let (address, to) = read?;
    Some(Arrived { tenant: tenant.clone(), address, to, bytes: Arc::from(&message.payload[..]) })
}

fn hand_on_malformed(tenant: &TenantId, arrived: &Arrived, local: &EmbeddedBus) {
    if let Err(error) = local.hand_on(tenant, arrived, |_| true) {
        tracing::debug!(%tenant, %error, "a malformed message from the wire was not taken");
    }
}
