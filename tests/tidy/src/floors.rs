//! The oldest version of a dependency that is safe to ship, each with its reason.

use cargo_metadata::semver::Version;

use crate::repo::{expect_none, metadata};

/// A crate that is not in the tree (yet) has nothing to hold.
const FLOORS: [(&str, Version, &str); 9] = [
    ("wasmtime", Version::new(48, 0, 8), "the security floor of the 48 line"),
    ("wasmtime-wasi", Version::new(48, 0, 8), "released with wasmtime, and read together with it"),
    ("libsqlite3-sys", Version::new(0, 37, 0), "the first that bundles SQLite 3.51.3"),
    ("jsonwebtoken", Version::new(11, 1, 0), "the version that was read before it was chosen"),
    ("cap-std", Version::new(4, 0, 3), "an escape by a trailing slash before it"),
    (
        "h2",
        Version::new(0, 4, 16),
        "frames that cost the sender nothing and the server memory before it (threats.md, A26)",
    ),
    ("tracing-subscriber", Version::new(0, 3, 20), "CVE-2025-58160: what a guest said reached the terminal as it was"),
    ("sqlx", Version::new(0, 9, 0), "bundles the SQLite that was read; RUSTSEC-2024-0363 before 0.8.1"),
    ("async-nats", Version::new(0, 51, 0), "the version that was measured"),
];

#[test]
fn no_dependency_is_older_than_its_floor() {
    let packages = metadata().packages;
    let versions: Vec<_> = packages.iter().map(|package| (package.name.as_str(), &package.version)).collect();
    expect_none(&below_floor(&versions));
}

#[test]
fn a_version_below_the_floor_is_found() {
    check("wasmtime", "48.0.8", None);
    check("wasmtime", "49.0.0", None);
    check("wasmtime", "48.0.7", Some("wasmtime 48.0.7 is below 48.0.8: the security floor of the 48 line"));
    check("serde", "0.1.0", None);
}

fn below_floor(versions: &[(&str, &Version)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, floor, reason) in &FLOORS {
        let below = versions.iter().filter(|(of, version)| of == name && *version < floor);
        complaints.extend(below.map(|(_, version)| format!("{name} {version} is below {floor}: {reason}")));
    }
    complaints
}

fn check(name: &str, version: &str, complaint: Option<&str>) {
    let version = version.parse().unwrap();
    assert_eq!(below_floor(&[(name, &version)]).first().map(String::as_str), complaint);
}
