//! What external agents publish: drafts, each of the agent that may publish to its subject.

use std::sync::Arc;

use async_nats::{Client, Message, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use host_model::{AgentId, Envelope, TenantId};
use tokio_util::sync::CancellationToken;

use super::{AccountsError, AgentSubjects};

/// Hosts share what comes: each message is taken by one.
const GROUP: &str = "bailiwick-ingress";
/// The most messages of a tenant that are being taken in at once.
const AT_ONCE_MAX: usize = 64;
/// The header under which what is sent again is the same message, as over HTTP (draft-ietf-httpapi-idempotency-key-header).
const KEY_HEADER: &str = "Idempotency-Key";

/// What an external agent published.
#[derive(Debug)]
pub struct Posted {
    /// Its tenant, which is the account's.
    pub tenant: TenantId,
    /// The agent: the server lets nobody else publish there.
    pub agent: AgentId,
    /// What it says, not yet read: JSON as `POST /api/messages` takes it, if it can be meant.
    pub body: Bytes,
    /// The key under which it may be sent again, not yet checked.
    pub key: Option<String>,
}

/// Takes drafts of external agents to the gate, and words what they are told.
#[async_trait]
pub trait Door: Send + Sync {
    /// Does what `POST /api/messages` does, and gives the answer's body: a receipt, or the problem.
    async fn post(&self, posted: Posted) -> Bytes;

    /// The answer to who publishes more than is taken in at once: the problem, as over HTTP.
    fn busy(&self, limit: usize) -> Bytes;

    /// A message as an external agent is told of it: what its stream over HTTP says.
    fn told(&self, envelope: &Envelope) -> Bytes;
}

/// Takes in what a tenant's external agents publish. Meant for a tenant's own account alone: elsewhere a subject proves nothing.
pub struct Ingress {
    tenant: TenantId,
    client: Client,
    subscriber: Subscriber,
    door: Arc<dyn Door>,
}

impl Ingress {
    /// Subscribes, over a connection to the tenant's account.
    pub async fn open(client: Client, tenant: TenantId, door: Arc<dyn Door>) -> Result<Self, AccountsError> {
        let subject = AgentSubjects::all_ingress();
        let subscriber =
            client.queue_subscribe(subject, GROUP.to_owned()).await.map_err(AccountsError::NotSubscribed)?;
        Ok(Self { tenant, client, subscriber, door })
    }

    /// Takes in messages, [`AT_ONCE_MAX`] at once, until it is told to stop or the client is closed. What was begun is finished; what
    /// comes meanwhile is refused at once, so that nothing piles up in the client.
    pub async fn run(self, stop: CancellationToken) {
        let Self { tenant, client, subscriber, door } = self;
        let mut coming = std::pin::pin!(subscriber.take_until(stop.cancelled()));
        let mut taken = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = taken.next() => {}
                message = coming.next() => {
                    let Some(message) = message else { break };
                    if taken.len() < AT_ONCE_MAX {
                        taken.push(take(&tenant, &client, &*door, message, Room::Yes));
                    } else {
                        take(&tenant, &client, &*door, message, Room::No).await;
                    }
                }
            }
        }
        while taken.next().await.is_some() {}
    }
}

/// Whether one more message is taken in.
enum Room {
    Yes,
    No,
}

async fn take(tenant: &TenantId, client: &Client, door: &dyn Door, message: Message, room: Room) {
    let Some((named, agent)) = AgentSubjects::sender(&message.subject).filter(|(named, _)| named == tenant) else {
        // No credential of ours lets anybody publish so: somebody else has a seed, or an operator tries it out.
        tracing::warn!(%tenant, "dropped what was published to no agent's ingress subject of this tenant");
        return;
    };
    let subjects = AgentSubjects::of(&named, &agent);
    let reply = message.reply.as_ref().and_then(|reply| subjects.reply_to(reply));
    let key = message.headers.as_ref().and_then(|headers| headers.get(KEY_HEADER)).map(ToString::to_string);
    let posted = Posted { tenant: named, agent, body: message.payload, key };
    let answer = match room {
        Room::Yes => door.post(posted).await,
        Room::No => door.busy(AT_ONCE_MAX),
    };
    let Some(reply) = reply else { return };
    if let Err(error) = client.publish(reply.as_str().to_owned(), answer).await {
        tracing::debug!(%tenant, %error, "an external agent's answer was not sent");
    }
}
