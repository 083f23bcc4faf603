//! What a manifest promises, with both sides of each line.

use std::time::Duration;

use host_model::{Queue, SendGrant};

use super::*;

const AGENT: &str = "[agent]\nid = 'a'\nname = 'A'\nversion = '1.0.0'\n";

const WHOLE: &str = r#"
[agent]
id = "incident-responder"
name = "Incident Response Agent"
version = "0.1.0"
description = "Escalates"
component = "../target/incident_responder.wasm"
type = "worker"
capabilities = ["incident-response"]

[[skills]]
id = "respond"
name = "Respond"
description = "Finds runbooks"
tags = ["incident"]
examples = ["The disk is full"]

[grants]
subscribe = ["incident.created"]
publish = ["incident.escalated", "incident/*"]
send = ["knowledge-base"]
discover = true

[limits]
memory = "4MiB"
fuel = 50_000_000
deadline = "250ms"
concurrency = 2
mailbox = 64

[run]
instances = "resident"
replicas = 3

[config]
threshold = 3
greeting = "hello"
"#;

#[test]
fn a_whole_manifest_is_read() {
    let manifest = Manifest::parse(WHOLE).unwrap();
    assert_eq!(manifest.agent.id.as_str(), "incident-responder");
    assert_eq!(manifest.agent.component, Some("../target/incident_responder.wasm".into()));
    assert_eq!(manifest.agent.capabilities, ["incident-response"]);
    assert_eq!(manifest.skills.iter().map(|skill| skill.id.as_str()).collect::<Vec<_>>(), ["respond"]);
    assert_eq!(
        manifest.grants.publish.iter().map(host_model::TopicPattern::as_str).collect::<Vec<_>>(),
        ["incident.escalated", "incident.*"]
    );
    assert_eq!(manifest.grants.send, SendGrant::These(vec!["knowledge-base".parse().unwrap()]));
    assert!(manifest.grants.discover);
    let limits = Limits {
        memory_bytes_max: 4 << 20,
        fuel_per_message: 50_000_000,
        deadline: Duration::from_millis(250),
        concurrency_max: 2,
        mailbox_len_max: 64,
    };
    assert_eq!(manifest.limits, limits);
    assert_eq!(manifest.run, Run { instances: RunMode::Resident, replicas: 3, ..Run::default() });
    assert_eq!(manifest.config.get("threshold").map(String::as_str), Some("3"));
    assert_eq!(manifest.config.get("greeting").map(String::as_str), Some("hello"));
}

#[test]
fn what_a_manifest_does_not_say_has_its_documented_default() {
    let manifest = Manifest::parse(AGENT).unwrap();
    assert_eq!(
        (manifest.grants, manifest.limits, manifest.run),
        (Grants::default(), Limits::default(), Run::default())
    );
    assert_eq!(manifest.agent.kind, "worker");
    assert!(manifest.skills.is_empty() && manifest.config.is_empty());
}

/// The error that a manifest of [`AGENT`] (lines 1 to 4) and these lines has.
fn check(rest: &str, expected: &str) {
    let error = Manifest::parse(&format!("{AGENT}{rest}")).unwrap_err().to_string();
    assert_eq!(error, expected, "{rest}");
}

#[test]
fn an_error_is_one_line_with_the_key_the_line_and_the_next_step() {
    check(
        "x = 1\n",
        "manifest, line 5: agent.x: unknown key: expected one of `id`, `name`, `version`, `description`, `component`, `type`, `capabilities`",
    );
    check(
        "[limits]\nmemory = '16MB'\n",
        "manifest, line 6: limits.memory: '16MB' is not a size: use a whole number with KiB, MiB or GiB, such as \"16MiB\"",
    );
    check("[limits]\nfuel = 0\n", "manifest, line 6: limits.fuel is 0: it must lie between 10000 and 1000000000000");
    check(
        "[run]\ninstances = 'often'\n",
        "manifest, line 6: run.instances: unknown variant `often`, expected `per-message` or `resident`",
    );
    check("[run]\nreplicas = 0\n", "manifest, line 6: run.replicas: 0 is not a number of replicas: use 1 to 64");
    check(
        "[grants]\ndiscover = 'yes'\n",
        "manifest, line 6: grants.discover: invalid type: string \"yes\", expected a boolean",
    );
    check(
        "[grants]\npublish = ['queues.x']\n",
        "manifest, line 6: grants.publish: 'queues.x': topics under 'queues', 'replies', 'dlq', 'ingress' and 'deliveries' are the host's own",
    );
    check("[grants]\nsend = 3\n", "manifest, line 6: grants.send: use a list of agent ids and shared queues, or \"*\"");
    check(
        "[nonsense]\n",
        "manifest, line 5: nonsense: unknown key: expected one of `agent`, `skills`, `grants`, `limits`, `run`, `a2a`, `config`",
    );
}

#[test]
fn a_missing_key_and_a_broken_text_are_named() {
    let error = |text: &str| Manifest::parse(text).unwrap_err().to_string();
    assert_eq!(error(""), "manifest, line 1: agent: missing: add it");
    assert_eq!(error("[agent]\nid = 'a'\nname = 'A'\n"), "manifest, line 1: agent.version: missing: add it");
    let broken = error("[agent]\nid = \n");
    assert!(
        broken.starts_with("manifest, line 2: not TOML: ")
            && broken.ends_with(": correct this line")
            && !broken.contains('\n'),
        "{broken}"
    );
    let twice = error("[agent]\nid = 'a'\nid = 'b'\n");
    assert!(twice.starts_with("manifest, line 3: not TOML: duplicate key"), "{twice}");
}

#[test]
fn shared_queues_are_asked_for_by_name_and_another_agents_own_cannot_be() {
    let queues = |value: &str| {
        let parsed = Manifest::parse(&format!("{AGENT}[grants]\nqueues = {value}\n"));
        parsed.map(|manifest| manifest.grants.queues)
    };
    assert_eq!(queues("['agents', 'orchestrator']"), Ok(vec![Queue::Agents, Queue::Orchestrator]));
    assert_eq!(queues("[]"), Ok(vec![]));
    let refused = "manifest, line 6: grants.queues: not a queue that agents share: use 'agents' or 'orchestrator'";
    check("[grants]\nqueues = ['kb']\n", refused);
    check("[grants]\nqueues = ['*']\n", refused);
}

#[test]
fn hosts_secrets_state_and_storage_are_asked_for_by_name() {
    let text = "[grants]\nhttp = ['*.example.org']\nsecrets = ['api-key']\nstate = true\nstorage = true\n";
    let grants = Manifest::parse(&format!("{AGENT}{text}")).unwrap().grants;
    assert_eq!((grants.http.len(), grants.secrets.len(), grants.state, grants.storage), (1, 1, true, true));
    check(
        "[grants]\nhttp = ['https://a.com/path']\n",
        "manifest, line 6: grants.http: not a host: use a name such as 'api.example.com', '*.example.com' or 'http://metrics.internal:9090', in lower case",
    );
}

#[test]
fn a_group_a_leader_and_a_way_to_share_are_asked_for_in_run() {
    let run = |text: &str| Manifest::parse(&format!("{AGENT}[run]\n{text}")).unwrap().run;
    let all = run("instances = 'resident'\nreplicas = 2\ngroup = 'search'\nshard = 'key'\n");
    assert_eq!((all.group.unwrap().as_str(), all.leader, all.shard), ("search", false, Some(Shard::Key)));
    assert!(run("leader = true\n").leader);
    check(
        "[run]\ngroup = 'A b'\n",
        "manifest, line 6: run.group: 'A b' is not an id: use 1 to 40 of a-z, 0-9 and '-', neither starting nor ending with '-'",
    );
    check(
        "[run]\nshard = 'key'\n",
        "manifest, line 6: run.shard: only instances that stay can share by key: add instances = \"resident\"",
    );
    check(
        "[run]\ninstances = 'resident'\nleader = true\nshard = 'key'\n",
        "manifest, line 8: run.shard: a leader is given every message: take out shard, or leader",
    );
}

#[test]
fn what_is_not_enforced_yet_is_not_accepted() {
    check("[grants]\nmodels = 1\n", "manifest, line 6: grants.models is not available in this version: remove it");
    check("[a2a]\nexpose = true\n", "manifest, line 6: a2a.expose is not available in this version: remove it");
    assert!(Manifest::parse(&format!("{AGENT}[a2a]\n")).is_ok());
}

#[test]
fn hostile_text_in_an_error_is_inert() {
    let key = "\\u001b[31m".to_owned() + &"k".repeat(5_000);
    let error = Manifest::parse(&format!("{AGENT}[grants]\n\"{key}\" = 1\n")).unwrap_err().to_string();
    assert!(!error.contains(char::is_control) && error.len() < 1_500, "{error}");
}

#[test]
fn a_manifest_is_read_up_to_64_kib_and_refused_past_it() {
    let padded = |len: usize| Manifest::parse(&format!("{AGENT}{}", "#".repeat(len - AGENT.len())));
    assert!(padded(MANIFEST_LEN_MAX).is_ok());
    assert_eq!(
        padded(MANIFEST_LEN_MAX + 1),
        Err(ManifestError::TooLarge { len: MANIFEST_LEN_MAX + 1, len_max: MANIFEST_LEN_MAX })
    );
}

#[test]
fn deep_nesting_is_an_error_and_never_a_fall() {
    for open in ["[", "{a="] {
        assert!(Manifest::parse(&format!("{AGENT}[config]\nx = {}", open.repeat(10_000))).is_err());
    }
}

fn agent(id: &str, name: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(&format!("[agent]\nid = '{id}'\nname = '{name}'\nversion = '1'\n"))
}

#[test]
fn an_agent_has_a_plain_id_and_a_name_of_one_to_100_characters() {
    assert!(agent("a", &"é".repeat(100)).is_ok());
    assert!(agent("a", &"é".repeat(101)).is_err());
    assert!(agent("a", "").is_err());
    let error = agent("Not An Id", "A").unwrap_err().to_string();
    assert!(error.starts_with("manifest, line 2: agent.id: 'Not An Id' is not an id: use"), "{error}");
    assert!(agent("orchestrator", "A").unwrap_err().to_string().ends_with("is reserved: choose another id"));
    let error = Manifest::parse("[agent]\nid = 'a'\nname = \"a\\u0007\"\nversion = '1'\n").unwrap_err().to_string();
    assert_eq!(error, "manifest, line 3: agent.name: use 1 to 100 characters without control characters");
}

#[test]
fn whom_an_agent_sends_to_is_named_or_is_everybody() {
    let send = |value: &str| {
        Manifest::parse(&format!("{AGENT}[grants]\nsend = {value}\n")).map(|manifest| manifest.grants.send)
    };
    assert_eq!(send("'*'"), Ok(SendGrant::Any));
    assert_eq!(send("['*']"), Ok(SendGrant::Any));
    assert_eq!(send("'a'"), Ok(SendGrant::These(vec!["a".parse().unwrap()])));
    assert_eq!(send("[]"), Ok(SendGrant::default()));
    assert!(send("['*', 'a']").is_err());
    assert!(send("['A']").is_err());
}

#[test]
fn lists_have_a_most() {
    let publish = |count: usize| Manifest::parse(&format!("{AGENT}[grants]\npublish = {:?}\n", vec!["a"; count]));
    assert!(publish(64).is_ok());
    assert_eq!(
        publish(65).unwrap_err().to_string(),
        "manifest, line 6: grants.publish: has 65 entries: use at most 64"
    );
}

fn skill(id: &str, tags: &str) -> String {
    format!("[[skills]]\nid = '{id}'\nname = 'N'\ndescription = ''\ntags = {tags}\n")
}

#[test]
fn a_skill_has_its_own_id_and_a_tag() {
    assert!(Manifest::parse(&[AGENT, &skill("a", "['t']"), &skill("b", "['t']")].concat()).is_ok());
    check(
        &[skill("a", "['t']"), skill("a", "['t']")].concat(),
        "manifest, line 10: skills.id: 'a' is there twice: give each skill its own id",
    );
    check(&skill("a", "[]"), "manifest, line 5: skills.tags: use 1 to 16 tags");
    check(&skill("", "['t']"), "manifest, line 5: skills.id: use 1 to 64 characters without control characters");
    check(
        &(skill("a", "['t']") + "x = 1\n"),
        "manifest, line 10: skills.x: unknown key: expected one of `id`, `name`, `description`, `tags`, `examples`",
    );
}

#[test]
fn a_setting_that_is_off_is_named() {
    check("[config]\nx = nan\n", "manifest, line 5: config.x: JSON has no such number: use a finite one, or text");
}

#[test]
fn a_component_without_a_manifest_gets_its_files_name_and_no_grants() {
    let id = Manifest::id_from_stem("my_agent").unwrap();
    assert_eq!(id.as_str(), "my-agent");
    assert_eq!(Manifest::parse(&Manifest::minimal_text(&id)), Ok(Manifest::minimal(id)));
    let error = Manifest::id_from_stem("Bad Name").unwrap_err().to_string();
    assert!(
        error.starts_with("manifest: agent.id: 'Bad Name' is not an id")
            && error.ends_with("(rename the file, or deploy with a bailiwick.toml)"),
        "{error}"
    );
}
