//! One version of each crate, but for a list that only shrinks: two versions are two times the audit and the build.

use std::collections::BTreeMap;

use crate::repo::{built, expect_none};

/// Crates that stand twice in the tree, and who keeps the second one there. `deny.toml` has such a list too.
const KNOWN: &[(&str, &str)] = &[
    ("base64", "sqlx is on 0.22"),
    ("block-buffer", "sha2 0.10, see there"),
    ("const-oid", "nkeys, by its ed25519-dalek 2, is on 0.9"),
    ("cpufeatures", "sha2 0.10, see there"),
    ("crypto-common", "sha2 0.10, see there"),
    ("digest", "sha2 0.10, see there"),
    ("getrandom", "nkeys is on rand 0.8, and that on 0.2"),
    ("hashbrown", "sqlx and gimli are on 0.16"),
    ("io-lifetimes", "fs-set-times, below wasmtime-wasi, is on 2"),
    ("rand", "nkeys is on 0.8"),
    ("rand_core", "nkeys is on 0.6"),
    ("sha2", "wasmtime and sqlx are on 0.10"),
    ("syn", "macros move to 3 one by one"),
    ("tower-http", "reqwest is on 0.6"),
    ("untrusted", "aws-lc-rs is on 0.7, webpki on 0.9"),
];

#[test]
fn a_crate_stands_twice_only_if_the_list_says_why() {
    expect_none(&unlisted(&versions(&built()), KNOWN));
}

#[test]
fn the_list_names_no_crate_that_stands_once() {
    expect_none(&outdated(&versions(&built()), KNOWN));
}

#[test]
fn deny_toml_skips_only_what_this_list_knows() {
    let deny = include_str!("../../../deny.toml");
    let skip = deny.split("skip = [").nth(1).unwrap();
    let skipped = skip.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('@').next());
    let unknown = skipped.filter(|name| !KNOWN.iter().any(|(known, _)| known == name));
    expect_none(&unknown.map(|name| format!("deny.toml skips {name}, which is not known here")).collect::<Vec<_>>());
}

#[test]
fn a_second_version_and_an_outdated_entry_are_found() {
    let versions = BTreeMap::from([("syn".to_owned(), vec!["2.0.0".to_owned(), "3.0.0".to_owned()])]);
    assert_eq!(unlisted(&versions, &[]), ["syn stands there as 2.0.0, 3.0.0"]);
    assert!(unlisted(&versions, &[("syn", "old macros")]).is_empty());
    assert_eq!(
        outdated(&versions, &[("toml", "figment")]),
        ["toml stands once now: take it off the list here and in deny.toml"]
    );
    assert!(outdated(&versions, &[("syn", "old macros")]).is_empty());
}

fn unlisted(versions: &BTreeMap<String, Vec<String>>, known: &[(&str, &str)]) -> Vec<String> {
    let double = versions.iter().filter(|(name, of)| of.len() > 1 && !known.iter().any(|(listed, _)| listed == name));
    double.map(|(name, of)| format!("{name} stands there as {}", of.join(", "))).collect()
}

fn outdated(versions: &BTreeMap<String, Vec<String>>, known: &[(&str, &str)]) -> Vec<String> {
    let single = known.iter().filter(|(name, _)| versions.get(*name).is_none_or(|of| of.len() < 2));
    single.map(|(name, _)| format!("{name} stands once now: take it off the list here and in deny.toml")).collect()
}

/// The versions of each foreign crate in the tree.
fn versions(built: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, version) in built {
        versions.entry(name.clone()).or_default().push(version.clone());
    }
    versions
}
