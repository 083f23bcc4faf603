//! What of wasmtime is compiled in, and who may say its dangerous words. Code that is not linked has no advisories.

use std::collections::BTreeMap;

use crate::repo::{File, expect_none, metadata, rust_files};

/// The features that are on, of the crates that run guests. One more is a decision for `host/engine/src/settings.rs`.
const FEATURES: [(&str, &[&str]); 4] = [
    (
        "wasmtime",
        &[
            "async",
            "call-hook",
            "component-model",
            "cranelift",
            "once_cell",
            "pooling-allocator",
            "runtime",
            "std",
            "wasmtime-jit-icache-coherence",
        ],
    ),
    ("wasmtime-wasi", &["p2"]),
    ("wasmtime-wasi-http", &["p2"]),
    ("wasmtime-wasi-io", &["std"]),
];

/// A word, the one file that may say it, and what it would do elsewhere.
const RESERVED: [(&str, &str, &str); 8] = [
    ("Component::deserialize", "host/engine/src/artifact.rs", "runs whatever lies there"),
    ("Module::deserialize", "", "runs whatever lies there"),
    (".preopened_dir(", "", "gives a guest files of the host's"),
    (".inherit_", "", "gives a guest what the host has"),
    (".allow_blocking_current_thread(", "", "blocks the thread of other guests"),
    (".coredump_on_trap(", "", "puts a guest's memory into a log"),
    (".guest_debug(", "", "opens guests to a debugger"),
    ("wasmtime::Engine::new(", "host/engine/src/", "a second engine tells types apart otherwise"),
];

#[test]
fn no_more_of_wasmtime_is_compiled_in_than_is_decided() {
    let metadata = metadata();
    let nodes = metadata.resolve.expect("a workspace is resolved").nodes;
    let names: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let features = nodes.iter().filter_map(|node| {
        let features: Vec<_> = node.features.iter().map(|feature| feature.as_str()).collect();
        Some((*names.get(&node.id)?, features))
    });
    expect_none(&undecided(&features.collect::<Vec<_>>()));
}

#[test]
fn a_feature_too_many_is_found() {
    assert!(undecided(&[("wasmtime-wasi", vec!["p2"]), ("serde", vec!["std"])]).is_empty());
    assert_eq!(undecided(&[("wasmtime-wasi", vec!["p1", "p2"])]), ["wasmtime-wasi is compiled with p1"]);
}

#[test]
fn dangerous_words_of_the_sandbox_stand_in_one_place() {
    expect_none(&misplaced(&rust_files(&["host"])));
}

#[test]
fn a_dangerous_word_elsewhere_is_found() {
    let check = |path: &str, text: &str, complaint: Option<&str>| {
        assert_eq!(misplaced(&[File::made_up(path, text)]).first().map(String::as_str), complaint, "{path}: {text}");
    };
    check("host/engine/src/artifact.rs", "unsafe { Component::deserialize_file(a) }", None);
    check(
        "host/fleet/src/start.rs",
        "unsafe { Component::deserialize_file(a) }",
        Some("host/fleet/src/start.rs:1: `Component::deserialize` runs whatever lies there"),
    );
    check(
        "host/engine/src/wasi.rs",
        "//! Doc.\nlet a = b.inherit_env();",
        Some("host/engine/src/wasi.rs:2: `.inherit_` gives a guest what the host has"),
    );
    check("host/engine/src/wasi.rs", "// Never .inherit_env().", None);
}

fn undecided(built: &[(&str, Vec<&str>)]) -> Vec<String> {
    let decided = |name: &str| FEATURES.iter().find(|(of, _)| *of == name).map(|(_, features)| *features);
    let mut complaints = Vec::new();
    for (name, features) in built {
        let Some(decided) = decided(name) else { continue };
        let more = features.iter().filter(|feature| !decided.contains(feature));
        complaints.extend(more.map(|feature| format!("{name} is compiled with {feature}")));
    }
    complaints
}

fn misplaced(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let code = (1..).zip(file.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, line) in code {
            let bad = RESERVED
                .iter()
                .filter(|(word, place, _)| line.contains(word) && (place.is_empty() || !file.path.starts_with(place)));
            complaints.extend(bad.map(|(word, _, why)| format!("{}:{number}: `{word}` {why}", file.path)));
        }
    }
    complaints
}
