//! The connection to the servers, and what is known of them.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{Client, ConnectOptions, Event};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::{NatsCredentials, NatsError, NatsSettings, accounts, failed};
use crate::KeepHealth;

/// How long a server may take to answer a connection or a request of `JetStream`.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The longest wait between two tries to connect again; the first ones come sooner.
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// How often a server is asked whether it is there. One that owes two answers when it is asked again is gone: after 6 seconds of
/// silence, while a way on which an answer takes 4 is still one.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Publishes that wait for an acknowledgement on one connection.
const ACKS_IN_FLIGHT_MAX: usize = 4_096;

/// A connection that comes back by itself, with what the last look at its servers said.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    connected: watch::Receiver<bool>,
    servers: Arc<RwLock<KeepHealth>>,
}

impl Connection {
    /// Connects as a host, now or whenever a server can be reached.
    pub(super) async fn open(settings: &NatsSettings) -> Result<Self, NatsError> {
        Self::open_as(settings, settings.credentials.as_ref()).await
    }

    /// The same with other credentials.
    pub(super) async fn open_as(
        settings: &NatsSettings,
        credentials: Option<&NatsCredentials>,
    ) -> Result<Self, NatsError> {
        let (says, connected) = watch::channel(false);
        let account = credentials.and_then(NatsCredentials::account).map(ToString::to_string);
        let options = options(credentials)?.name(format!("bailiwick host {}", settings.host)).no_echo().event_callback(
            move |event| {
                heard(&says, account.as_deref(), &event);
                std::future::ready(())
            },
        );
        let client = options.connect(settings.servers.as_slice()).await.map_err(failed("connect"))?;
        let jetstream = ContextBuilder::new()
            .timeout(ANSWER_MAX)
            .ack_timeout(ANSWER_MAX)
            .max_ack_inflight(ACKS_IN_FLIGHT_MAX)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Self { client, jetstream, connected, servers: Arc::new(RwLock::new(KeepHealth::Unknown)) })
    }

    /// Whether it is up now.
    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Returns once it is up.
    pub(super) async fn up(&self) {
        let mut connected = self.connected.clone();
        // The sender lives in the client's callback, as long as this does.
        let _ = connected.wait_for(|up| *up).await;
    }

    /// Returns once it is down.
    pub(super) async fn down(&self) {
        let mut connected = self.connected.clone();
        // As above.
        let _ = connected.wait_for(|up| !*up).await;
    }

    /// Returns once the server has taken in what was said before on this connection, subscriptions among it, or does not answer for
    /// [`ANSWER_MAX`]. It answers in its turn, whatever it says.
    pub(super) async fn settled(&self) {
        if let Err(error) = self.client.request("$JS.API.INFO", "".into()).await {
            tracing::debug!(%error, "the server does not say that it has taken in a subscription");
        }
    }

    /// Returns the next time that it comes up.
    pub(super) async fn up_again(&self, connected: &mut watch::Receiver<bool>) {
        loop {
            if connected.changed().await.is_err() {
                return std::future::pending().await;
            }
            if *connected.borrow_and_update() {
                return;
            }
        }
    }

    /// To be told of each change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<bool> {
        let mut changes = self.connected.clone();
        changes.mark_unchanged();
        changes
    }

    /// Whether messages can be kept, as far as the servers go.
    pub(super) fn health(&self) -> KeepHealth {
        match *self.servers.read() {
            // Nobody answers because nobody is reached: what was true before is not known to be otherwise.
            KeepHealth::NotSeen if !self.is_up() => KeepHealth::Disconnected,
            refusal if refusal.refuses() => refusal,
            _ if !self.is_up() => KeepHealth::Disconnected,
            health => health,
        }
    }

    pub(super) fn set_health(&self, health: KeepHealth) {
        let before = std::mem::replace(&mut *self.servers.write(), health);
        if before != health {
            tracing::info!(health = health.as_str(), "what the NATS servers keep");
        }
    }
}

/// The connection's options for whoever connects.
pub(super) fn options(credentials: Option<&NatsCredentials>) -> Result<ConnectOptions, NatsError> {
    let options = match credentials {
        Some(NatsCredentials::Minted(minter, account)) => accounts::options(minter, account.clone()),
        _ => ConnectOptions::new(),
    };
    let options = options
        .retry_on_initial_connect()
        .connection_timeout(ANSWER_MAX)
        .ping_interval(PING_EVERY)
        .request_timeout(Some(ANSWER_MAX))
        .reconnect_delay_callback(|tries| {
            Duration::from_millis(50).saturating_mul(1 << tries.min(8)).min(RECONNECT_MAX)
        });
    match credentials {
        None | Some(NatsCredentials::Minted(..)) => Ok(options),
        Some(NatsCredentials::UserPassword { user, password }) => {
            Ok(options.user_and_password(user.clone(), password.to_string()))
        }
        Some(NatsCredentials::Creds(text)) => options.credentials(text).map_err(failed("read the credentials")),
    }
}

/// Tells whoever waits whether the connection is up, and the log.
fn heard(says: &watch::Sender<bool>, account: Option<&str>, event: &Event) {
    match event {
        Event::Connected => says.send_replace(true),
        Event::Disconnected | Event::Closed => says.send_replace(false),
        _ => false,
    };
    match event {
        Event::Connected => tracing::info!(account, "connected to NATS"),
        Event::Disconnected => tracing::warn!(account, "the connection to NATS is gone; it is tried again"),
        Event::Closed => tracing::info!(account, "the connection to NATS is closed"),
        event => tracing::warn!(account, %event, "NATS"),
    }
}
