//! The order of the rooms (ARCHITECTURE.md): who may depend on whom, and who alone may see a foreign crate.

use crate::repo::{Member, expect_none, manifests, members};

/// A crate depends only on crates above it. A room that nothing has moved into yet may be listed.
const ROOMS: [&str; 23] = [
    "model",
    "calls",
    "component",
    "quota",
    "gate",
    "vault",
    "mailbox",
    "bus",
    "egress",
    "ledger",
    "registry",
    "auth",
    "courier",
    "engine",
    "fleet",
    "watch",
    "store",
    "app",
    "wire",
    "api",
    "portal",
    "cli",
    "server",
];

/// What only some crates may name, by the start of its name, and who.
const RESERVED: [(&str, &[&str]); 6] = [
    ("wasmtime", &["host-engine", "tests-bench"]),
    ("async-nats", &["host-bus", "tests-bench", "tests-kit"]),
    ("sqlx", &["host-store", "tests-kit"]),
    ("rusqlite", &[]),
    ("libsqlite3-sys", &["host-store"]),
    ("anyhow", &["host-server", "host-cli", "xtask", "tests-it", "tests-kit", "tests-bench"]),
];

/// Crates that must stay small, and all they may see of ours.
const SEES_ONLY: [(&str, &[&str]); 3] =
    [("host-cli", &["host-model", "host-component", "host-ledger", "host-wire"]), ("host-wire", &[]), ("xtask", &[])];

#[test]
fn a_crate_depends_only_on_rooms_above_it() {
    expect_none(&out_of_order(&members()));
}

#[test]
fn a_crate_below_is_found_and_so_is_an_unlisted_room() {
    check(out_of_order, "host-gate", &["host-model"], None);
    check(
        out_of_order,
        "host-gate",
        &["host-courier"],
        Some("host-gate depends on host-courier, which is not above it"),
    );
    check(out_of_order, "host-gate", &["host-gate"], Some("host-gate depends on host-gate, which is not above it"));
    check(out_of_order, "host-attic", &[], Some("host-attic is no room of ARCHITECTURE.md"));
    check(out_of_order, "host-gate", &["host-attic"], Some("host-gate depends on host-attic, which is not above it"));
}

#[test]
fn only_the_crate_it_is_reserved_for_sees_a_foreign_crate() {
    expect_none(&trespasses(&members()));
}

#[test]
fn a_trespass_is_found() {
    check(trespasses, "host-engine", &["wasmtime", "wasmtime-wasi"], None);
    check(
        trespasses,
        "host-fleet",
        &["wasmtime-wasi"],
        Some("host-fleet names wasmtime-wasi, reserved for host-engine, tests-bench"),
    );
    check(
        trespasses,
        "host-courier",
        &["async-nats"],
        Some("host-courier names async-nats, reserved for host-bus, tests-bench, tests-kit"),
    );
    check(trespasses, "host-app", &["sqlx"], Some("host-app names sqlx, reserved for host-store, tests-kit"));
}

#[test]
fn cli_wire_and_xtask_see_no_more_of_ours_than_they_need() {
    expect_none(&sees_too_much(&members()));
}

#[test]
fn a_crate_that_sees_too_much_is_found() {
    check(sees_too_much, "host-cli", &["host-wire", "clap"], None);
    check(
        sees_too_much,
        "host-cli",
        &["host-app"],
        Some("host-cli sees host-app; of ours it may see host-model, host-component, host-ledger, host-wire"),
    );
    check(sees_too_much, "xtask", &["tests-kit"], Some("xtask sees tests-kit; of ours it may see nothing"));
}

#[test]
fn every_crate_takes_the_lints_of_its_workspace() {
    let manifests = manifests(&["host", "tests", "xtask", "examples"]);
    let without = manifests.iter().filter(|manifest| !takes_lints(&manifest.text));
    expect_none(
        &without.map(|manifest| format!("{} has no `[lints] workspace = true`", manifest.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn a_manifest_without_the_lints_is_found() {
    assert!(takes_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
    assert!(!takes_lints("[package]\nname = \"a\"\nversion.workspace = true\n"));
    assert!(!takes_lints("[lints]\n\n[dependencies]\nworkspace = true\n"));
}

fn out_of_order(members: &[Member]) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in members.iter().filter(|member| member.name.starts_with("host-")) {
        let Some(place) = place_of(&member.name) else {
            complaints.push(format!("{} is no room of ARCHITECTURE.md", member.name));
            continue;
        };
        let rooms = member.dependencies.iter().filter(|name| name.starts_with("host-"));
        let below = rooms.filter(|name| place_of(name).is_none_or(|other| other >= place));
        complaints.extend(below.map(|name| format!("{} depends on {name}, which is not above it", member.name)));
    }
    complaints
}

fn trespasses(members: &[Member]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (reserved, allowed) in RESERVED {
        for member in members.iter().filter(|member| !allowed.contains(&member.name.as_str())) {
            let named = member.dependencies.iter().filter(|name| name.starts_with(reserved));
            complaints
                .extend(named.map(|name| format!("{} names {name}, reserved for {}", member.name, listed(allowed))));
        }
    }
    complaints
}

fn sees_too_much(members: &[Member]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, allowed) in SEES_ONLY {
        for member in members.iter().filter(|member| member.name == name) {
            let ours =
                member.dependencies.iter().filter(|name| name.starts_with("host-") || name.starts_with("tests-"));
            let unwanted = ours.filter(|name| !allowed.contains(&name.as_str()));
            complaints
                .extend(unwanted.map(|seen| format!("{name} sees {seen}; of ours it may see {}", listed(allowed))));
        }
    }
    complaints
}

fn takes_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().skip_while(|line| *line != "[lints]").skip(1);
    lines.next() == Some("workspace = true")
}

fn place_of(crate_name: &str) -> Option<usize> {
    let room = crate_name.strip_prefix("host-")?;
    ROOMS.iter().position(|listed| *listed == room)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn check(rule: fn(&[Member]) -> Vec<String>, name: &str, dependencies: &[&str], complaint: Option<&str>) {
    let found = rule(&[Member::made_up(name, dependencies)]);
    assert_eq!(found.first().map(String::as_str), complaint, "{name} with {dependencies:?}");
}
