//! External agents over NATS, where tenants are accounts: what they publish is a draft of theirs, and nothing else.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tests_kit::async_nats::{Client, ConnectOptions, Event, HeaderMap};
use tests_kit::{AccountsServer, Answer, Host, Mqtt, Package, Setup, eventually, free_port};
use tokio::sync::mpsc;

const METER: &str =
    "[agent]\nid = 'meter'\nname = 'Meter'\nversion = '1.0.0'\n[grants]\npublish = ['zoo.in']\nsend = ['zoo']\n";
const INGRESS: &str = "tenants.acme.ingress.meter";
/// As short as the whole seconds of a token allow without chance in it.
const SHORT: Duration = Duration::from_secs(3);

/// A host that has each tenant as an account, with the zoo in `acme` and the external agent `meter`.
struct Scene {
    server: AccountsServer,
    host: Host,
}

async fn scene() -> Scene {
    scene_on(AccountsServer::start()).await
}

async fn scene_on(server: AccountsServer) -> Scene {
    let accounts = server.dir();
    let setup = Setup::new().env("BAILIWICK_BUS", server.url());
    let host = setup.env("BAILIWICK_NATS__ACCOUNTS_DIR", accounts.to_str().unwrap()).start();
    let host = host.and_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host.api.post("/api/external-agents?tenant=acme", json!({ "manifest": METER })).await.ok();
    Scene { server, host }
}

impl Scene {
    /// A plain client with what `agent credentials` prints, and what the server says against it.
    async fn meter(&self) -> (Client, mpsc::Receiver<Event>) {
        let creds = self.host.cli(&["agent", "credentials", "meter", "--tenant", "acme", "--expires-in", "15m"]).ok();
        let connects = async || {
            let (tell, told) = mpsc::channel(100);
            let options = ConnectOptions::with_credentials(&creds).unwrap().custom_inbox_prefix("_INBOX_meter");
            let options = options.event_callback(move |event| {
                let tell = tell.clone();
                async move { tell.send(event).await.unwrap_or_default() }
            });
            Some((options.connect(self.server.url()).await.ok()?, told))
        };
        eventually("the account is there", connects).await
    }

    /// Has the operator send to `meter`, and gives the answer.
    async fn send(&self, payload: u32, qos: &str) -> Answer {
        let body = json!({ "type": "reading", "payload": payload, "qos": qos });
        self.host.api.post("/api/agents/meter/messages?tenant=acme", body).await
    }

    async fn handled(&self) -> u64 {
        self.host.api.agent("acme", "zoo").await["counters"]["handled"].as_u64().unwrap()
    }

    async fn handles(&self, count: u64) {
        eventually("it is handled", async || (self.handled().await == count).then_some(())).await;
    }
}

fn to_zoo(payload: u32) -> Value {
    json!({ "agent": "zoo", "messageType": "mirror", "payload": payload })
}

/// Asks over the ingress subject, and reads the answer. Asked again until somebody takes drafts in.
async fn post(client: &Client, body: &Value) -> Value {
    let asks = async || client.request(INGRESS, body.to_string().into()).await.ok();
    let answer = eventually("drafts are taken in", asks).await;
    serde_json::from_slice(&answer.payload).unwrap()
}

/// Asks for a number to be sent to the zoo, under a key of its own; nothing if no answer comes.
async fn keyed(client: &Client, number: u32) -> Option<Value> {
    let mut headers = HeaderMap::new();
    headers.insert("Idempotency-Key", number.to_string());
    let answer = client.request_with_headers(INGRESS, headers, to_zoo(number).to_string().into()).await.ok()?;
    Some(serde_json::from_slice(&answer.payload).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_over_the_bus_is_sent_as_its_agent_and_its_receipt_or_problem_comes_to_its_inbox() {
    let scene = scene().await;
    let (client, _told) = scene.meter().await;
    let mut watch = scene.host.api.watch("acme").await;
    let receipt = post(&client, &to_zoo(7)).await;
    assert_eq!(receipt["durability"], "durable", "{receipt}");
    let seen = watch.until(|message| message["id"] == receipt["id"]).await.pop().unwrap();
    assert_eq!([&seen.data["tenantId"], &seen.data["agentId"]], ["acme", "meter"]);
    let mut volatile = json!({ "topic": "zoo.in", "messageType": "mirror", "payload": 7, "qos": "at-most-once" });
    assert_eq!(post(&client, &volatile).await["durability"], "volatile");
    scene.handles(2).await;

    volatile["topic"] = json!("zoo.out");
    let problem = post(&client, &volatile).await;
    assert_eq!((&problem["status"], &problem["code"]), (&json!(422), &json!("publish-not-granted")), "{problem}");

    let [first, again] = [keyed(&client, 8).await.unwrap(), keyed(&client, 8).await.unwrap()];
    assert_eq!(first["id"], again["id"], "the same key is the same message");
    scene.handles(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_an_external_agent_publishes_reaches_nobody() {
    let scene = scene().await;
    let (client, mut told) = scene.meter().await;
    let mut watch = scene.host.api.watch("acme").await;
    // A frame as a host sends it, with the signature of another message.
    let frame = json!({
        "v": 1, "id": "01890000-0000-7000-8000-000000000001", "tenantId": "acme", "agentId": "zoo", "to": "zoo.in",
        "messageType": "mirror", "payload": 7, "timestamp": "2026-01-01T00:00:00Z", "signature": "v1.k.AAAA",
    });
    let problem = post(&client, &frame).await;
    assert_eq!((&problem["status"], &problem["code"]), (&json!(400), &json!("bad-body")), "{problem}");
    for subject in [
        "tenants.acme.zoo.in",
        "tenants.acme.queues.zoo",
        "tenants.acme.ingress.other",
        "tenants.acme.deliveries.meter.x",
        "tenants.globex.ingress.meter",
        "kept.acme.zoo.01890000-0000-7000-8000-000000000001.queues.zoo",
        "shown.acme.zoo.in",
        "bailiwick.hosts",
        "$JS.API.STREAM.DELETE.tenant-acme",
        "$SYS.REQ.CLAIMS.DELETE",
    ] {
        client.publish(subject, frame.to_string().into()).await.unwrap();
        let violation = async || match told.recv().await.unwrap() {
            Event::ServerError(error) => {
                error.to_string().to_lowercase().contains("permissions violation").then_some(())
            }
            _ => None,
        };
        eventually(subject, violation).await;
    }
    let receipt = post(&client, &to_zoo(1)).await;
    let seen = watch.until(|message| message["id"] == receipt["id"]).await;
    assert_eq!(seen.len(), 1, "nothing else was carried: {seen:?}");
    scene.handles(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_credentials_expired_is_handled_once_and_new_ones_go_on() {
    let scene = scene().await;
    let minter = scene.server.minter().with_host_lifetime(SHORT);
    let acme = host_bus::accounts::Account::Tenant("acme".parse().unwrap());
    let mut sent = 0;
    for _ in 0..2 {
        let options = ConnectOptions::with_credentials(&minter.host_user(&acme).unwrap().file()).unwrap();
        let options = options.request_timeout(Some(SHORT)).custom_inbox_prefix("_INBOX_meter");
        let connects = async || options.clone().connect(scene.server.url()).await.ok();
        let client = eventually("the account is there", connects).await;
        while let Some(answer) = keyed(&client, sent).await {
            assert_eq!(answer["durability"], "durable", "{answer}");
            sent += 1;
        }
    }
    // Of the last one of each it is not known whether it was taken: it is sent again under its key.
    let (client, _told) = scene.meter().await;
    assert_eq!(keyed(&client, sent).await.unwrap()["durability"], "durable");
    assert!(sent > 2, "{sent}");
    scene.handles(u64::from(sent) + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_is_told_to_whom_it_is_for_while_it_may_listen_and_what_is_kept_waits_for_a_stream() {
    let scene = scene().await;
    scene.send(0, "at-most-once").await.refused(404, "not-found");
    let (client, _told) = scene.meter().await;
    let mut deliveries = client.subscribe("tenants.acme.deliveries.meter.>").await.unwrap();
    post(&client, &to_zoo(1)).await;
    assert_eq!(scene.send(2, "at-least-once").await.ok()["durability"], "durable");
    assert_eq!(scene.send(3, "at-most-once").await.ok()["durability"], "volatile");
    let told = deliveries.next().await.unwrap();
    assert_eq!(told.subject.as_str(), "tenants.acme.deliveries.meter.messages");
    let told: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(
        (&told["payload"], &told["tenantId"], &told["messageType"]),
        (&json!(3), &json!("acme"), &json!("reading"))
    );

    let minted = scene.host.api.post("/api/agents/meter/tokens?tenant=acme", json!({ "expiresIn": "1h" })).await.ok();
    let mut stream = scene.host.api.with_token(minted["token"].as_str()).mailbox(None).await;
    assert_eq!(stream.next().await.unwrap().data["payload"], 2, "what is kept waited for it");
    assert_eq!(scene.send(4, "at-most-once").await.ok()["durability"], "volatile");
    assert_eq!(stream.next().await.unwrap().data["payload"], 4, "a stream has everything");
    drop(stream);
    let again = async || {
        scene.send(5, "at-most-once").await;
        tokio::time::timeout(Duration::from_millis(100), deliveries.next()).await.ok().flatten()
    };
    let told = eventually("it is told over the bus again", again).await;
    assert_eq!(
        serde_json::from_slice::<Value>(&told.payload).unwrap()["payload"],
        5,
        "and of nothing that the stream had"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_over_mqtt_sends_drafts_is_told_of_its_messages_and_reaches_nobody_with_a_frame() {
    let port = free_port();
    let scene = scene_on(AccountsServer::with_mqtt(port)).await;
    let mint = ["agent", "credentials", "meter", "--tenant", "acme", "--mqtt"];
    let password = scene.host.cli(&mint).ok();
    let connects = async || Mqtt::connect(port, "meter-1", password.trim()).await;
    let mut meter = eventually("the account is there", connects).await;
    assert!(meter.subscribe("tenants/acme/deliveries/meter/+").await);
    for foreign in ["tenants/acme/#", "tenants/acme/zoo/in", "tenants/globex/deliveries/meter/+", "#"] {
        assert!(!meter.subscribe(foreign).await, "{foreign}");
    }
    let mut watch = scene.host.api.watch("acme").await;
    let sends = async || {
        meter.publish("tenants/acme/ingress/meter", to_zoo(7).to_string().as_bytes()).await;
        (scene.handled().await > 0).then_some(())
    };
    eventually("a draft is taken in", sends).await;
    let seen = watch.next().await.unwrap();
    assert_eq!([&seen.data["tenantId"], &seen.data["agentId"]], ["acme", "meter"]);
    assert_eq!(scene.send(3, "at-most-once").await.ok()["durability"], "volatile");
    let (topic, payload) = meter.next().await.unwrap();
    assert_eq!(topic, "tenants/acme/deliveries/meter/messages");
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["payload"], 3);
    for topic in ["tenants/acme/zoo/in", "tenants/acme/queues/zoo", "tenants/acme/ingress/other", "bailiwick/hosts"] {
        // Whatever the server does with its connection, it comes again with the same password.
        let mut intruder = Mqtt::connect(port, "meter-2", password.trim()).await.unwrap();
        intruder.publish(topic, to_zoo(8).to_string().as_bytes()).await;
        intruder.ping().await;
    }
    assert!(Mqtt::connect(port, "meter-3", &password.replace("ey", "ex")).await.is_none(), "a forged password");
    let over_nats = ConnectOptions::with_jwt(password.trim().to_owned(), async |_| Ok(vec![0; 64]));
    assert!(over_nats.connect(scene.server.url()).await.is_err(), "it opens MQTT alone");
    let creds = scene.host.cli(&["agent", "credentials", "meter", "--tenant", "acme"]).ok();
    let token = creds.lines().nth(1).unwrap();
    assert!(
        Mqtt::connect(port, "meter-4", token).await.is_none(),
        "a token that comes with a key opens nothing without"
    );
    // The last word is true: of what came before it, no 8 was carried.
    meter.publish("tenants/acme/ingress/meter", to_zoo(9).to_string().as_bytes()).await;
    let seen = watch.until(|message| message["payload"] == 9).await;
    assert!(seen.iter().all(|seen| seen.data["payload"] != 8), "{seen:?}");
}
