//! The way of what is volatile: to the receivers of this host, and signed to other hosts.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use host_gate::Stamped;
use host_model::{AgentId, TenantId};
use tokio_util::sync::CancellationToken;

use super::bus::Inner;
use super::connection::Connection;
use super::peers::Route;
use super::{NatsError, failed, subjects, wire};
use crate::carried::{Carried, Place};
use crate::{BusError, Subject};

/// What a frame may have beside its payload, which may be in base64 (4 characters for 3 bytes).
const FRAME_AROUND: usize = 16 << 10;
/// How long to wait before a server that could not be listened to is asked again.
pub(super) const HEAR_WAIT: Duration = Duration::from_millis(200);

impl Inner {
    pub(super) fn fits(&self, stamped: &Stamped) -> Result<(), BusError> {
        let payload = stamped.envelope().payload.len();
        let len = payload.saturating_add(payload / 3).saturating_add(FRAME_AROUND);
        let len_max = self.shared.connection.client.max_payload();
        if len_max == 0 || len <= len_max { Ok(()) } else { Err(BusError::TooLarge { len, len_max }) }
    }

    /// Shows a kept message to those who watch on other hosts.
    pub(super) fn show_elsewhere(self: &Arc<Self>, stamped: &Stamped) {
        let envelope = stamped.envelope();
        if self.peers.watch(&envelope.tenant)
            && let Err(error) = self.send_on(subjects::shown(&envelope.tenant, &envelope.to.to_string()), stamped)
        {
            // Who watches misses it; its receivers have it.
            tracing::debug!(%error, "a kept message is not shown on other hosts");
        }
    }

    /// Signs a volatile message and gives it to the connection. Never waits.
    pub(super) fn send(self: &Arc<Self>, stamped: &Stamped) -> Result<(), BusError> {
        let envelope = stamped.envelope();
        self.send_on(Subject::of(&envelope.tenant, &envelope.to).to_string(), stamped)
    }

    pub(super) fn send_on(self: &Arc<Self>, subject: String, stamped: &Stamped) -> Result<(), BusError> {
        self.fits(stamped)?;
        // Nobody holds what is volatile: where the tenant's own link is not open yet, the sender is told so.
        let tenant = &stamped.envelope().tenant;
        let Some(link) = self.shared.links.now(tenant) else {
            self.reach(tenant);
            return Err(BusError::Unreachable);
        };
        if !link.connection.is_up() {
            return Err(BusError::Unreachable);
        }
        let sealed = self.gate.seal(stamped, &*self.keys).map_err(|_| BusError::NotSigned)?;
        let frame = Bytes::from_owner(sealed.bytes().clone());
        // Without a budget of its own, a task that sends much would be told that there is no room while there is.
        let sent = tokio::task::unconstrained(link.connection.client.publish(subject, frame)).now_or_never();
        sent.ok_or(BusError::Unreachable)?.map_err(|_| BusError::Unreachable)
    }

    pub(super) fn publish(self: &Arc<Self>, stamped: &Arc<Stamped>) -> Result<(), BusError> {
        let envelope = stamped.envelope();
        let (tenant, id) = (&envelope.tenant, envelope.id);
        if !self.peers.any() {
            return self.publish_here(stamped);
        }
        match stamped.place() {
            Place::Reply => match self.local.answer(stamped) {
                Err(BusError::NoReceiver) if self.peers.any() => self.send(stamped),
                answered => answered,
            },
            Place::Queue(queue) => {
                let here = self.local.sharing_of(tenant, queue);
                match self.peers.route_to_queue(tenant, queue, id, here) {
                    Route { here: false, elsewhere: false } => Err(BusError::NoReceiver),
                    Route { here: true, elsewhere } => {
                        self.local.hand_on(tenant, stamped, |_| true)?;
                        if elsewhere && let Err(error) = self.send(stamped) {
                            // It was taken here; who watches elsewhere misses it.
                            tracing::debug!(%error, "a message is not shown on other hosts");
                        }
                        Ok(())
                    }
                    Route { here: false, .. } => self.send(stamped),
                }
            }
            Place::Topic(topic) => {
                let here = |group: &AgentId| self.local.sharing_in(tenant, group);
                let ours = |group: &AgentId| self.peers.is_ours(tenant, topic, group, id, || here(group));
                let carried = self.local.hand_on(tenant, stamped, ours);
                if !self.peers.want_topic(tenant, topic) {
                    return carried;
                }
                match self.send(stamped) {
                    Err(error) if carried.is_ok() && self.local.wants(tenant, topic, ours) => {
                        // Who is told that it failed sends it again, and receivers here would have it twice.
                        tracing::debug!(%error, "a message on a topic does not reach other hosts");
                        Ok(())
                    }
                    sent => sent,
                }
            }
        }
    }

    pub(super) fn publish_here(&self, stamped: &Arc<Stamped>) -> Result<(), BusError> {
        match stamped.place() {
            Place::Reply => self.local.answer(stamped),
            _ => self.local.hand_on(&stamped.envelope().tenant, stamped, |_| true),
        }
    }

    /// Listens to a tenant on the wire, from the first thing that this host receives of it to the last.
    pub(super) fn listen(self: &Arc<Self>, tenant: &TenantId) {
        self.changed.notify_one();
        let inner = self.clone();
        self.listening.follow(
            tenant,
            || self.local.receives_in(tenant),
            move |tenant, over| {
                inner.reach(&tenant);
                let task = inner.clone().hear(tenant, over);
                inner.spawn(task);
            },
        );
    }

    pub(super) async fn hear(self: Arc<Self>, tenant: TenantId, over: CancellationToken) {
        let heard = async {
            let link = self.shared.links.of(&tenant).await;
            loop {
                self.shared.exchange.known().await;
                if let Err(error) = self.hear_on(&link.connection, &tenant).await {
                    tracing::warn!(%tenant, error = error.source.to_string(), "the tenant's messages are not heard");
                }
                tokio::time::sleep(HEAR_WAIT).await;
            }
        };
        over.run_until_cancelled(heard).await;
    }

    /// Answers may be for anybody of this host, also in a tenant that it has no receivers of.
    pub(super) async fn hear_answers(&self, client: &Client, subject: &str) {
        loop {
            self.shared.exchange.known().await;
            match client.subscribe(subject.to_owned()).await {
                Ok(mut answers) => {
                    while let Some(message) = answers.next().await {
                        wire::answer(&message, &self.local);
                    }
                }
                Err(error) => tracing::warn!(%error, "answers from other hosts are not heard"),
            }
            tokio::time::sleep(HEAR_WAIT).await;
        }
    }

    pub(super) async fn hear_on(&self, connection: &Connection, tenant: &TenantId) -> Result<(), NatsError> {
        let subscribe =
            async |subject| connection.client.subscribe(subject).await.map_err(failed("listen to a tenant"));
        let mut messages = subscribe(subjects::all_of(tenant)).await?;
        let mut shown = subscribe(subjects::all_shown_of(tenant)).await?;
        let mut heard = std::pin::pin!(self.say_what_is_heard(connection, tenant));
        loop {
            tokio::select! {
                Some(message) = messages.next() => wire::take_in(tenant, &message, &self.local, &self.peers),
                Some(message) = shown.next() => wire::show(tenant, &message, &self.local),
                () = &mut heard => {}
                else => return Ok(()),
            }
        }
    }

    /// Other hosts are told on another connection, which the server may read before this one, and which may be up while this one is not.
    async fn say_what_is_heard(&self, connection: &Connection, tenant: &TenantId) {
        loop {
            connection.up().await;
            connection.settled().await;
            self.listening.set_heard(tenant, true);
            self.changed.notify_one();
            connection.down().await;
            self.listening.set_heard(tenant, false);
            self.changed.notify_one();
        }
    }
}
