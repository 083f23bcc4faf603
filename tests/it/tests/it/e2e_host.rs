//! The host as a process: how it starts, what it refuses to start on, how it ends, and what is there again afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tests_kit::{Ended, Host, Package, Setup, aside, eventually};

/// It did not start: exit code 1, and one line that holds all these parts.
fn check_refused(ended: &Ended, parts: &[&str]) {
    assert_eq!((ended.code, ended.stdout.len()), (Some(1), 0), "{ended:#?}");
    let [line] = &ended.stderr[..] else { unreachable!("a refusal is one line: {ended:#?}") };
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
}

/// What must be the same after a restart.
async fn facts(host: &Host) -> Vec<Value> {
    let mut facts = Vec::new();
    for tenant in ["acme", "globex"] {
        for agent in host.api.get(&format!("/api/agents?tenant={tenant}")).await.ok()["items"].as_array().unwrap() {
            let fact = |name: &str| agent[name].clone();
            let kept = ["tenantId", "agentId", "digest", "revision", "version", "state", "desired", "deployedAt"];
            facts.push(kept.iter().map(|name| fact(name)).collect());
        }
        facts.push(host.api.cards(tenant, "").await.len().into());
    }
    facts
}

async fn host_with_agents() -> Host {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
        host.api.deploy(tenant, &Package::resident()).await;
    }
    host.api.steer("globex", "zoo", "stop").await.ok();
    host
}

async fn check_comes_back(end: impl Fn(&mut Host) -> Ended) {
    let mut host = host_with_agents().await;
    let (before, token) = (facts(&host).await, host.token.clone());
    assert_eq!(before.iter().filter(|fact| fact[5] == "ready").count(), 3, "{before:#?}");
    end(&mut host);
    host.start_again();
    host.ready().await;
    assert_eq!(facts(&host).await, before);
    assert_eq!(host.token, token, "the operator's token stays");
    for (tenant, agent) in [("acme", "zoo"), ("acme", "zoo-resident"), ("globex", "zoo-resident")] {
        host.api.ask(tenant, agent, "count", &Value::Null).await.ok();
    }
    host.api.send("globex", "zoo", "count", &Value::Null).await.refused(404, "not-found");
}

#[tokio::test]
async fn a_restart_brings_back_what_was_up_and_leaves_down_what_was_down() {
    check_comes_back(Host::terminate).await;
}

#[tokio::test]
async fn a_killed_host_brings_back_what_was_up_and_leaves_down_what_was_down() {
    check_comes_back(Host::kill).await;
}

#[tokio::test]
async fn a_full_disk_for_the_log_disturbs_nobody() {
    let mut host = Setup::new().env("BAILIWICK_LOG__LEVEL", "debug").full_log().start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    for number in 0..20 {
        host.api.ask("acme", "zoo", "log", &json!(format!("line {number}"))).await.ok();
        assert_eq!(host.api.ask("acme", "zoo", "mirror", &json!(number)).await.said()["payload"], number);
    }
    let lines = host.api.logs("acme", "zoo").await;
    assert!(lines.iter().any(|line| line.to_string().contains("line 19")), "{lines:?}");
    let ended = host.terminate();
    assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_ends_the_host_with_0_within_ten_seconds() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    let spinner = Package::zoo().named("spinner").with("limits.fuel", 1_000_000_000_000_i64);
    host.api.deploy("acme", &spinner.with("limits.deadline", "60s")).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
        host.api.deploy(tenant, &Package::resident()).await;
    }
    for _ in 0..8 {
        host.api.send("acme", "spinner", "spin", &Value::Null).await.ok();
    }
    let load = ["acme", "globex"].map(|tenant| {
        let api = host.api.clone();
        aside(async move {
            let ask = async |n: u32| api.try_ask(tenant, "zoo", "mirror", &json!(n)).await;
            let mut answered = 0;
            while ask(answered).await.is_some_and(|answer| answer.status == 200) {
                answered += 1;
            }
            answered
        })
    });
    let watch = host.api.watch("acme").await;
    eventually("the load runs", async || {
        let counters = host.api.agent("globex", "zoo").await["counters"].take();
        (counters["handled"].as_u64().unwrap() > 20).then_some(())
    })
    .await;

    host.tell_to_stop();
    // Waiting blocks this thread; the load and the open stream must not be what it waits for.
    let ended = tokio::task::block_in_place(|| host.ended());
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.took < Duration::from_secs(10), "it took {:?}", ended.took);
    drop(watch);
    for answered in load {
        assert!(answered.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn sigterm_lets_finish_what_was_taken_and_then_tells_the_residents() {
    let mut host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::resident()).await;
    host.api.send("acme", "zoo-resident", "sleep", &json!(300)).await.ok();
    host.api.send("acme", "zoo-resident", "log", &json!("the last message")).await.ok();
    eventually("the first is being handled", async || {
        (host.api.agent("acme", "zoo-resident").await["counters"]["inFlight"] == 1).then_some(())
    })
    .await;
    let ended = host.terminate();
    assert_eq!(ended.code, Some(0));
    let line = |text: &str| ended.stderr.iter().position(|line| line.contains("agent: ") && line.contains(text));
    let (last_message, stopped) = (line("the last message"), line("stopped"));
    assert!(last_message.is_some() && last_message < stopped, "{ended:#?}");
}

#[test]
fn sigterm_ends_the_host_with_0_as_soon_as_it_says_that_it_listens() {
    for _ in 0..5 {
        let ended = Host::start().terminate();
        assert_eq!((ended.code, ended.signal), (Some(0), None), "{ended:#?}");
    }
}

#[tokio::test]
async fn a_second_host_on_the_same_data_is_refused_and_the_first_goes_on() {
    let host = Host::with_tenants(&["acme"]).await;
    let data = host.data.display().to_string();
    check_refused(&Setup::new().data(&host.data).run(), &["another host", &data, "choose another --data"]);
    host.api.get("/api/tenants").await.ok();
}

#[test]
fn data_of_a_newer_version_is_refused_and_stays_as_it_was() {
    let mut host = Host::start();
    host.terminate();
    let format = host.data.join("format");
    fs::write(&format, "bailiwick-data 2\n").unwrap();
    let ended = Setup::new().data(&host.data).run();
    check_refused(&ended, &[&host.data.display().to_string(), "newer version", "upgrade bailiwick"]);
    assert_eq!(fs::read_to_string(&format).unwrap(), "bailiwick-data 2\n");
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let ended = Setup::new().data(folder.path()).run();
    check_refused(&ended, &[&folder.path().display().to_string(), "thesis.tex", "--data"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_port_in_use_is_refused_by_its_address() {
    let host = Host::start();
    let address = host.url.strip_prefix("http://").unwrap();
    check_refused(&Setup::new().listen(address).run(), &["cannot listen on", address]);
}

#[test]
fn configuration_that_is_unknown_or_cannot_be_meant_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, parts: &[&str]| {
        let file = written(folder.path(), text);
        check_refused(&Setup::new().config(&file).run(), parts);
    };
    check("colour = 'red'", &["colour"]);
    check("[engine]\nshard = 1", &["shard", "shards"]);
    check("[engine]\ninstances_max = 0", &["engine.instances_max is 0", "between 1 and 20000"]);
    check("[tenant]\nmemory_mib_max = 0", &["tenant.memory_mib_max is 0"]);
    check("[log]\nformat = 'xml'", &["xml", "pretty", "json"]);
    check("[engine", &["host.toml", "line 1"]);
    check_refused(&Setup::new().env("BAILIWICK_COLOUR", "red").run(), &["colour"]);
    check_refused(&Setup::new().env("BAILIWICK_MESSAGE__HOP_MAX", "0").run(), &["message.hop_max is 0"]);
    check_refused(&Setup::new().config(&folder.path().join("none.toml")).run(), &["none.toml"]);
}

fn written(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("host.toml");
    fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn sighup_takes_over_a_valid_log_level_and_nothing_of_an_invalid_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "[log]\nlevel = 'info'");
    let host = Setup::new().config(&file).start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let log_has = async |text: &str| {
        eventually(text, async || host.log().iter().any(|line| line.contains(text)).then_some(())).await;
    };
    let refused = async |topic: &str| host.api.ask("acme", "zoo", "publish", &json!({ "topic": topic })).await.ok();
    refused("before").await;

    written(folder.path(), "[log]\nlevel = 'debug'\n[engine]\ninstances_max = 0");
    host.hang_up();
    log_has("the configuration is invalid; nothing was changed").await;
    log_has("engine.instances_max is 0").await;
    refused("meanwhile").await;

    written(folder.path(), "[log]\nlevel = 'debug'");
    host.hang_up();
    log_has("the configuration was read again").await;
    refused("after").await;
    // Said at 'debug' only, so of the three only the last; lines come in order, so the others' would be there by now.
    log_has("not admitted").await;
    assert_eq!(host.log().iter().filter(|line| line.contains("not admitted")).count(), 1);
    assert_eq!(host.api.agent("acme", "zoo").await["state"], "ready");
}

#[tokio::test]
async fn compiled_code_that_was_changed_is_compiled_again_and_not_run() {
    let mut host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host.terminate();
    let code = only(&host.data.join("artifacts"), "cwasm");
    let mut bytes = fs::read(&code).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&code, &bytes).unwrap();

    let complaints = |host: &Host| host.log().iter().filter(|line| line.contains("fails its check")).count();
    host.start_again();
    host.ready().await;
    eventually("it is said", async || (complaints(&host) == 1).then_some(())).await;
    assert_eq!(host.api.agent("acme", "zoo").await["state"], "ready");
    host.api.ask("acme", "zoo", "mirror", &Value::Null).await.ok();
    assert_ne!(fs::read(&code).unwrap(), bytes, "it was written anew");

    host.terminate();
    host.start_again();
    host.ready().await;
    assert_eq!(complaints(&host), 0, "what was compiled again is good");
}

/// The only file with this ending.
fn only(folder: &Path, ending: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|found| found == ending));
    let file = files.next().unwrap();
    assert_eq!(files.next(), None);
    file
}

#[tokio::test]
async fn a_first_start_says_where_it_listens_and_keeps_the_token_to_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut host = Setup::new().blank().start();
    host.ready().await;
    let token = host.data.join("operator.token");
    assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!host.log().iter().any(|line| line.contains(&host.token)));
    let ended = host.terminate();
    assert_eq!((ended.code, ended.stdout), (Some(0), vec![format!("listening on {} (api)", host.url)]));
}
