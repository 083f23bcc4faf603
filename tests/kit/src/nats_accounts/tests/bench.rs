//! What the tests do with a server: make tenants, connect as whoever they mean, ask `JetStream`.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectOptions, Event, HeaderMap, Message, Request, RequestError};
use futures_util::StreamExt as _;
use host_bus::accounts::{
    Account, AccountLimits, Accounts, AgentUser, Credentials, LIFETIME_MAX, Minter, Transport, connect,
};
use host_model::TenantId;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::AccountsServer;

/// How long what must come may take. What must not come is never waited for: something that must come follows it.
const COMES_WITHIN: Duration = Duration::from_secs(20);
/// How long an answer may take before it is asked for again.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// Events of one client that wait to be looked at.
const EVENTS_MAX: usize = 1_000;

/// What a tenant may use in these tests.
pub(super) const LIMITS: AccountLimits = AccountLimits {
    disk_bytes_max: 64 << 20,
    streams_max: 2,
    consumers_max: 4,
    connections_max: 8,
    subscriptions_max: 1_000,
    payload_bytes_max: 1 << 20,
};

/// A server, and the tenants `acme` and `globex`.
pub(super) struct Bench {
    pub(super) server: AccountsServer,
    pub(super) minter: Arc<Minter>,
    pub(super) accounts: Accounts,
}

/// A client and what happened to it.
pub(super) struct Watched {
    pub(super) client: Client,
    events: mpsc::Receiver<Event>,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with_host_lifetime(Duration::from_hours(1)).await
    }

    /// With hosts' credentials that are valid for so long.
    pub(super) async fn with_host_lifetime(lifetime: Duration) -> Self {
        let server = AccountsServer::start();
        let minter = Arc::new(server.minter().with_host_lifetime(lifetime));
        let system = connect(&minter, Account::System, server.url()).await.unwrap();
        let accounts = Accounts::new(system, minter.clone());
        for name in ["acme", "globex"] {
            accounts.push(&tenant(name), &LIMITS).await.unwrap();
        }
        Self { server, minter, accounts }
    }

    /// A host's connection to a tenant's account.
    pub(super) async fn host(&self, name: &str) -> Client {
        connect(&self.minter, account(name), self.server.url()).await.unwrap()
    }

    /// Credentials of the external agent `meter` of a tenant.
    pub(super) fn meter(&self, name: &str) -> Credentials {
        self.meter_over(name, Transport::Nats)
    }

    /// The same for what it connects with.
    pub(super) fn meter_over(&self, name: &str, transport: Transport) -> Credentials {
        let agent = "meter".parse().unwrap();
        let user = AgentUser { tenant: tenant(name), agent, lifetime: LIFETIME_MAX, transport };
        self.minter.agent_user(&user).unwrap()
    }

    /// Whoever has these credentials, and their file alone.
    pub(super) async fn with(&self, credentials: &Credentials) -> Watched {
        self.try_with(credentials).await.unwrap()
    }

    pub(super) async fn try_with(&self, credentials: &Credentials) -> Result<Watched, ConnectError> {
        let options = ConnectOptions::with_credentials(&credentials.file()).unwrap();
        watched(options.custom_inbox_prefix("_INBOX_meter").max_reconnects(3), self.server.url()).await
    }

    /// Why nobody with these credentials is let in.
    pub(super) async fn refusal(&self, credentials: &Credentials) -> String {
        let error = self.try_with(credentials).await.err().expect("a refusal");
        format!("{error:?}").to_lowercase()
    }
}

/// Connects, and keeps what happens.
pub(super) async fn watched(options: ConnectOptions, url: &str) -> Result<Watched, ConnectError> {
    let (tell, events) = mpsc::channel(EVENTS_MAX);
    let told = move |event| {
        let tell = tell.clone();
        // Nobody listens any more once the test is over.
        async move { tell.send(event).await.unwrap_or_default() }
    };
    Ok(Watched { client: options.event_callback(told).connect(url).await?, events })
}

impl Watched {
    /// What the server says next against this client.
    pub(super) async fn told(&mut self) -> String {
        loop {
            if let Event::ServerError(error) = self.event().await {
                return error.to_string().to_lowercase();
            }
        }
    }

    /// Waits until the client has given up.
    pub(super) async fn ended(&mut self) {
        while tokio::time::timeout(COMES_WITHIN, self.events.recv()).await.expect("an end").is_some() {}
    }

    /// Waits until the client is told so.
    pub(super) async fn until(&mut self, wanted: &Event) {
        while self.event().await != *wanted {}
    }

    async fn event(&mut self) -> Event {
        tokio::time::timeout(COMES_WITHIN, self.events.recv()).await.expect("an event").expect("a client")
    }

    /// What happened already and was not looked at.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

pub(super) fn account(name: &str) -> Account {
    Account::Tenant(tenant(name))
}

pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// Makes the stream of a tenant as the bus does, with a consumer that hands out and waits for acknowledgements.
pub(super) async fn stream(host: &Client, name: &str) {
    let stream = json!({ "name": format!("tenant-{name}"), "subjects": [format!("kept.{name}.>")], "retention": "workqueue",
        "max_bytes": 1 << 20, "storage": "file", "duplicate_window": 120_000_000_000_u64 });
    asked(host, format!("$JS.API.STREAM.CREATE.tenant-{name}"), stream).await.unwrap();
    let config = json!({ "durable_name": "echo", "ack_policy": "explicit", "filter_subject": format!("kept.{name}.>"),
        "ack_wait": 60_000_000_000_u64 });
    let consumer = json!({ "stream_name": format!("tenant-{name}"), "config": config });
    asked(host, format!("$JS.API.CONSUMER.DURABLE.CREATE.tenant-{name}.echo"), consumer).await.unwrap();
}

/// What `JetStream` answers, or the description of its refusal.
pub(super) async fn asked(client: &Client, subject: String, body: Value) -> Result<Value, String> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let answer = client.request(subject, body.into()).await.map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    match answer["error"]["description"].as_str() {
        Some(refusal) => Err(refusal.to_owned()),
        None => Ok(answer),
    }
}

/// Returns once the server has taken in all that this host's client said before.
pub(super) async fn settled(host: &Client) {
    asked(host, "$JS.API.INFO".to_owned(), Value::Null).await.unwrap();
}

/// Keeps a message under an id, and says whether the server took it for one that it had.
pub(super) async fn keep(host: &Client, name: &str, id: &str) -> bool {
    try_keep(host, name, id).await.unwrap()
}

/// The same, or why there was no answer.
pub(super) async fn try_keep(host: &Client, name: &str, id: &str) -> Result<bool, RequestError> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    let request = Request::new().headers(headers).payload(name.to_owned().into()).timeout(Some(ANSWERED_WITHIN));
    let answer = host.send_request(format!("kept.{name}.echo.0.{id}.queues.echo"), request).await?;
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(answer["stream"], format!("tenant-{name}"), "{answer}");
    Ok(answer["duplicate"] == true)
}

/// Takes the next kept message. Not by `request`: the client takes an answer for its own by the subject, which is the message's.
pub(super) async fn pull(host: &Client, name: &str) -> Message {
    let inbox = host.new_inbox();
    let mut handed = host.subscribe(inbox.clone()).await.unwrap();
    let next = json!({ "batch": 1, "expires": 10_000_000_000_u64 });
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.tenant-{name}.echo");
    host.publish_with_reply(subject, inbox, next.to_string().into()).await.unwrap();
    handed.next().await.unwrap()
}

/// How many messages were handed out and not acknowledged.
pub(super) async fn unacknowledged(host: &Client, name: &str) -> u64 {
    let info = asked(host, format!("$JS.API.CONSUMER.INFO.tenant-{name}.echo"), Value::Null).await.unwrap();
    info["num_ack_pending"].as_u64().unwrap()
}
