//! C11: another key-encryption key for a host that works, whatever ends it on the way.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tests_kit::{Host, Setup, aside, canary};

use crate::zoo_http::Server;
use crate::zoo_secrets::{SECRETS, call_out, seeded};

const ROTATIONS_MIN: usize = 5;
/// Messages that are answered while one rotation follows another.
const ANSWERS_MIN: usize = 300;

async fn filled(server: &Server) -> Host {
    let secrets: Vec<String> = (0..SECRETS * 2).map(|_| canary()).collect();
    seeded(Setup::new(), server, &secrets).await
}

fn kek(host: &Host) -> Vec<u8> {
    fs::read(host.data.join("kek")).unwrap()
}

fn next_kek(host: &Host) -> PathBuf {
    host.data.join("kek.next")
}

/// A message to an agent of one tenant, and one to an agent of the other that calls out with a secret.
async fn works(host: &Host, server: &Server, number: usize) {
    let text = json!(number.to_string());
    assert_eq!(host.api.ask("globex", "zoo", "mirror", &text).await.said()["payload"], text);
    let secret = format!("s{}", number % SECRETS);
    assert_eq!(call_out(host, server, "/v1/x", &secret).await["status"], 200, "{secret}");
}

/// How many rotations the audit says that somebody began.
async fn recorded(host: &Host, actor: &str) -> usize {
    let page = host.api.get("/api/audit?action=vault.rotate&decision=allowed&limit=1000").await.ok();
    page["items"].as_array().unwrap().iter().filter(|record| record["actor"] == actor).count()
}

#[tokio::test]
async fn the_key_encryption_key_is_changed_under_load_and_no_message_fails() {
    let server = Server::start("hello").await;
    let mut host = filled(&server).await;
    let (old, answered, rotations) = (kek(&host), Cell::new(0), Cell::new(0));
    let enough = || rotations.get() >= ROTATIONS_MIN && answered.get() >= ANSWERS_MIN;
    let rotate = async {
        while !enough() {
            host.api.post("/api/vault/rotate", json!({})).await.ok();
            rotations.set(rotations.get() + 1);
        }
    };
    let load = async || {
        while !enough() {
            works(&host, &server, answered.get()).await;
            answered.set(answered.get() + 1);
        }
    };
    tokio::join!(rotate, load(), load(), load());
    assert_eq!(recorded(&host, "operator").await, rotations.get(), "each is in the audit");
    let said = host.cli(&["vault", "rotate"]).ok();
    assert!(said.starts_with(&format!("{} keys and secrets", SECRETS * 2 + 2)), "{said}");

    let new = kek(&host);
    assert!(new != old && !next_kek(&host).exists());
    host.terminate();
    fs::write(host.data.join("kek"), &old).unwrap();
    let refused = Setup::new().data(&host.data).run();
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    fs::write(host.data.join("kek"), &new).unwrap();
    host.start_again();
    host.ready().await;
    works(&host, &server, 1).await;
}

#[tokio::test]
async fn a_change_of_the_key_encryption_key_that_a_kill_cuts_off_is_finished_by_the_next_start() {
    const KILLS: usize = 5;
    let server = Server::start("hello").await;
    let mut host = filled(&server).await;
    // Each is a step of its own, so that there is a middle to be killed in.
    for number in 0..20 {
        host.api.create_tenant(&format!("tenant-{number}")).await;
    }
    let mut cut_off = 0;
    for number in 0..KILLS {
        let (before, next, api) = (kek(&host), next_kek(&host), host.api.clone());
        let rotating = aside(async move { api.try_call("POST", "/api/vault/rotate", Some(&json!({}))).await });
        while !next.exists() && !rotating.is_finished() {
            tokio::task::yield_now().await;
        }
        host.kill();
        cut_off += usize::from(next.exists());
        host.start_again();
        host.ready().await;
        assert!(kek(&host) != before && !next.exists(), "it is finished before anything else");
        works(&host, &server, number).await;
    }
    assert!(cut_off > 0, "no kill came in the middle");
    assert_eq!(recorded(&host, "host").await, cut_off, "and the host says in the audit that it did");
}
