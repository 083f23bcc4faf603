//! Whether the servers keep what is promised: their version, `JetStream`, and that each write is synced.
//!
//! An ordinary user sees the version of its own server alone. Whether writes are synced only the system account sees, in the answers
//! to `$SYS.REQ.SERVER.PING.JSZ`; without its credentials nothing is promised.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::connection::{Connection, options};
use super::{Class, NatsError, NatsSettings, failed};
use crate::KeepHealth;

/// What every server is asked for.
const ASKED: &str = "$SYS.REQ.SERVER.PING.JSZ";
/// How long servers may take to answer.
const ANSWERS_MAX: Duration = Duration::from_secs(2);
/// After the first answer, how long others may take.
const MORE_ANSWERS_MAX: Duration = Duration::from_millis(300);
/// How often they are asked while nothing changes.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Servers of one cluster that are looked at.
const SERVERS_MAX: usize = 64;

/// A server's answer, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Answer {
    server: Server,
    #[serde(default)]
    data: Option<JetStream>,
}

#[derive(Debug, Deserialize)]
struct Server {
    id: String,
    ver: String,
}

#[derive(Debug, Deserialize)]
struct JetStream {
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    config: Config,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
}

/// Looks at the servers again and again, and whenever the connection comes up.
pub(super) async fn watch(connection: Connection, system: Option<Client>, class: Class) {
    let mut changes = connection.changes();
    loop {
        connection.up().await;
        let mut health = look(&connection, system.as_ref(), class).await;
        if health == KeepHealth::NotSeen && system.is_some() {
            // An answer is lost with a connection whose credentials are renewed meanwhile: it is asked for once more.
            health = look(&connection, system.as_ref(), class).await;
        }
        // Nobody answered because one of the connections is not up: nothing new is known.
        let asked = system.as_ref().is_none_or(|system| system.connection_state() == State::Connected);
        if health != KeepHealth::NotSeen || (connection.is_up() && asked) {
            connection.set_health(health);
        }
        tokio::select! {
            () = connection.up_again(&mut changes) => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Connects to the system account, now or whenever a server can be reached; none without credentials for it.
pub(super) async fn connect(settings: &NatsSettings) -> Result<Option<Client>, NatsError> {
    let Some(credentials) = &settings.system else { return Ok(None) };
    let options = options(Some(credentials))?.name(format!("bailiwick host {} (system)", settings.host));
    let connected = options.connect(settings.servers.as_slice()).await;
    connected.map(Some).map_err(failed("connect to the system account"))
}

async fn look(connection: &Connection, system: Option<&Client>, class: Class) -> KeepHealth {
    if connection.client.try_server_info().is_some_and(|info| !is_new_enough(&info.version)) {
        return KeepHealth::OldServer;
    }
    let Some(system) = system else { return KeepHealth::NotSeen };
    match ask(system).await {
        Ok(answers) => judge(&answers, class),
        Err(error) => {
            tracing::warn!(%error, "the NATS servers cannot be looked at");
            KeepHealth::NotSeen
        }
    }
}

/// What all servers answer. Each answers by itself, and how many there are nobody says.
async fn ask(system: &Client) -> Result<Vec<Answer>, NatsError> {
    let inbox = system.new_inbox();
    let mut answers = system.subscribe(inbox.clone()).await.map_err(failed("listen to the servers"))?;
    let body = br#"{"config":true}"#.as_slice();
    system.publish_with_reply(ASKED, inbox, body.into()).await.map_err(failed("ask the servers"))?;
    let mut all: HashMap<String, Answer> = HashMap::new();
    let mut wait = ANSWERS_MAX;
    while all.len() < SERVERS_MAX
        && let Ok(Some(message)) = tokio::time::timeout(wait, answers.next()).await
    {
        let answer: Answer = serde_json::from_slice(&message.payload).map_err(failed("read a server's answer"))?;
        all.insert(answer.server.id.clone(), answer);
        wait = MORE_ANSWERS_MAX;
    }
    Ok(all.into_values().collect())
}

fn judge(answers: &[Answer], class: Class) -> KeepHealth {
    if answers.iter().any(|answer| !is_new_enough(&answer.server.ver)) {
        return KeepHealth::OldServer;
    }
    let keeping: Vec<_> =
        answers.iter().filter_map(|answer| answer.data.as_ref()).filter(|data| !data.disabled).collect();
    if keeping.is_empty() {
        return if answers.is_empty() { KeepHealth::NotSeen } else { KeepHealth::NoJetStream };
    }
    if !keeping.iter().all(|data| data.config.sync_always) {
        return KeepHealth::Unsynced;
    }
    // A quorum of three is two: with fewer nothing is acknowledged, and with one that is down all goes on.
    if class == Class::Replicated && keeping.len() < 2 { KeepHealth::NotReplicated } else { KeepHealth::Good }
}

/// At least 2.12.15 or 2.14.5: older ones lose what they acknowledged (see `docs/nats.md`).
fn is_new_enough(version: &str) -> bool {
    let release = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let mut parts = release.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor)), Some(Some(patch))) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    match (major, minor) {
        (2, 12) => patch >= 15,
        (2, 14) => patch >= 5,
        _ => (major, minor) > (2, 14),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: &str, ver: &str, data: Option<(bool, bool)>) -> Answer {
        let data = data.map(|(disabled, sync_always)| JetStream { disabled, config: Config { sync_always } });
        Answer { server: Server { id: id.to_owned(), ver: ver.to_owned() }, data }
    }

    #[test]
    fn the_floor_is_2_12_15_and_2_14_5() {
        for good in ["2.12.15", "2.14.5", "2.15.1", "2.15.0-dev", "v3.0.0", "2.12.100"] {
            assert!(is_new_enough(good), "{good}");
        }
        for old in ["2.12.14", "2.14.4", "2.13.9", "2.11.99", "2.9.10", "1.99.99", "", "x", "2.14"] {
            assert!(!is_new_enough(old), "{old}");
        }
    }

    #[test]
    fn servers_that_do_not_keep_or_do_not_sync_promise_nothing() {
        let check = |answers: &[Answer], class, expected| assert_eq!(judge(answers, class), expected);
        let synced = |id| answer(id, "2.15.1", Some((false, true)));
        check(&[synced("a")], Class::Durable, KeepHealth::Good);
        check(&[], Class::Durable, KeepHealth::NotSeen);
        check(&[synced("a"), answer("b", "2.9.10", Some((false, true)))], Class::Durable, KeepHealth::OldServer);
        check(&[answer("a", "2.15.1", Some((true, true)))], Class::Durable, KeepHealth::NoJetStream);
        check(&[synced("a"), answer("b", "2.15.1", Some((false, false)))], Class::Durable, KeepHealth::Unsynced);
        check(&[synced("a")], Class::Replicated, KeepHealth::NotReplicated);
        check(&[synced("a"), synced("b")], Class::Replicated, KeepHealth::Good);
    }
}
