//! What the servers of tests promise to those.

use async_nats::Client;
use serde_json::{Value, json};

use crate::eventually;

use super::*;

async fn asked(client: &Client, subject: &'static str, body: impl Into<Vec<u8>>) -> Value {
    let answer = client.request(subject, body.into().into()).await.expect("an answer");
    serde_json::from_slice(&answer.payload).expect("JSON")
}

/// Makes a stream and stores one message.
async fn keep(client: &Client, body: &str) {
    let stream = json!({ "name": "KEPT", "subjects": ["kept.>"], "storage": "file" });
    let made = asked(client, "$JS.API.STREAM.CREATE.KEPT", stream.to_string()).await;
    assert_eq!(made["error"], Value::Null, "{made:#}");
    let kept = asked(client, "kept.a", body).await;
    assert_eq!((&kept["stream"], &kept["seq"]), (&json!("KEPT"), &json!(1)), "{kept:#}");
}

async fn messages(server: &NatsServer) -> Value {
    asked(&server.connect().await, "$JS.API.STREAM.INFO.KEPT", "").await["state"]["messages"].clone()
}

/// What the system account hears of `JetStream` on this server.
async fn jet_stream(server: &NatsServer) -> Value {
    asked(&server.connect_to_system().await, "$SYS.REQ.SERVER.PING.JSZ", "").await["data"].clone()
}

#[tokio::test]
async fn what_the_server_acknowledged_is_there_after_it_was_killed_or_stopped_and_not_after_it_was_wiped() {
    let server = NatsServer::start();
    keep(&server.connect().await, "x").await;
    let (first, url) = (server.id(), server.url().to_owned());

    let mut server = server.killed_and_started();
    assert_ne!(server.id(), first);
    assert_eq!(server.url(), url, "clients find it where it was");
    assert_eq!(messages(&server).await, 1);

    server.stop();
    server.start_again();
    assert_eq!(messages(&server).await, 1);

    server.stop();
    server.wipe();
    server.start_again();
    assert_eq!(messages(&server).await, Value::Null);
}

#[tokio::test]
async fn nobody_connects_without_credentials_and_a_file_has_them() {
    let server = NatsServer::start();
    async_nats::connect(server.url()).await.unwrap_err();
    for (file, user) in [(server.credentials(), "hosts"), (server.system_credentials(), "system")] {
        let text = fs::read_to_string(file).unwrap();
        let (name, password) = text.trim_end().split_once(':').unwrap();
        assert_eq!(name, user);
        let options = ConnectOptions::with_user_and_password(name.to_owned(), password.to_owned());
        options.connect(server.url()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_is_as_its_setup_says() {
    let mut server = NatsServer::start();
    assert_eq!(jet_stream(&server).await["config"]["sync_always"], true);
    server.stop();
    server.start_again_as(NatsSetup::new().unsynced());
    let unsynced = jet_stream(&server).await;
    assert_ne!(unsynced["config"]["sync_always"], true, "{unsynced:#}");
    assert_ne!(unsynced["disabled"], true, "{unsynced:#}");
    server.stop();
    server.start_again_as(NatsSetup::new().without_jet_stream());
    assert_eq!(jet_stream(&server).await["disabled"], true);
}

#[tokio::test]
async fn a_paused_server_answers_once_it_goes_on() {
    let server = NatsServer::start();
    let client = server.connect().await;
    server.pause();
    let asked = crate::aside({
        let client = client.clone();
        async move { client.flush().await }
    });
    client.request("$JS.API.INFO", "".into()).await.expect_err("nothing answers within a request's time");
    server.resume();
    asked.await.unwrap().unwrap();
    eventually("an answer", async || client.request("$JS.API.INFO", "".into()).await.ok()).await;
}

#[tokio::test]
async fn a_flipped_bit_of_a_stored_message_is_found_when_it_is_read() {
    let mut server = NatsServer::start();
    let word = paths::canary();
    keep(&server.connect().await, &word).await;
    let read = async |server: &NatsServer| {
        let client = server.connect().await;
        asked(&client, "$JS.API.STREAM.MSG.GET.KEPT", r#"{"seq":1}"#).await
    };
    assert_eq!(read(&server).await["error"], Value::Null);
    server.stop();
    assert_eq!(server.flip("KEPT", &word, &mut Chance::new(7)), 1);
    server.start_again();
    let damaged = read(&server).await;
    assert_ne!(damaged["error"], Value::Null, "{damaged:#}");
}
