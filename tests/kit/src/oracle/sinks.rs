//! Where a word could come out: what the API answers for each tenant, what the host prints, and what lies on its disk.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Oracle, Place, database};
use crate::api::Answer;
use crate::host::Host;

/// Where agents' files lie, below a directory of each tenant.
const TENANTS: &str = "tenants";

/// All that is read of a tenant, as its operator reads it.
pub(crate) async fn api(oracle: &Oracle, host: &Host) {
    for tenant in oracle.tenants() {
        for path in paths_of(oracle, host, tenant).await {
            oracle.judge("api", Place::Of(tenant), &path, &host.api.get(&path).await.body);
        }
    }
    for path in ["/api/tenants?limit=1000", "/api/usage?limit=1000", "/api/audit?limit=1000"] {
        for record in records(&host.api.get(path).await) {
            oracle.judge("api", Place::Record, path, record.to_string().as_bytes());
        }
    }
    for line in host.api.get("/metrics").await.body.split(|byte| *byte == b'\n') {
        oracle.judge("metrics", Place::Record, "/metrics", line);
    }
}

/// What the host printed.
pub(crate) fn output(oracle: &Oracle, host: &Host) {
    for (at, lines) in [("standard output", host.output()), ("standard error", host.log())] {
        for line in lines {
            oracle.judge("log", Place::Record, at, line.as_bytes());
        }
    }
}

/// What lies in the data directory: names, contents, and the rows of databases.
pub(crate) async fn files(oracle: &Oracle, host: &Host) {
    for path in below(&host.data) {
        let within = path.strip_prefix(&host.data).expect("it was found there");
        let shown = within.display().to_string();
        // A file may go while it is looked for: a draft, a log of the database.
        let Ok(bytes) = fs::read(&path) else { continue };
        if let Some(tenant) = owner_of(within) {
            oracle.judge("files", Place::Of(&tenant), &shown, shown.as_bytes());
            oracle.judge("files", Place::Of(&tenant), &shown, &bytes);
        } else if is_database(within) {
            oracle.judge("pages", Place::Mixed, &shown, &bytes);
        } else {
            in_shared_file(oracle, within, &shown, &bytes);
        }
        if within.extension().is_some_and(|extension| extension == "db") {
            rows(oracle, &path, &shown).await;
        }
    }
}

async fn rows(oracle: &Oracle, file: &Path, shown: &str) {
    let rows = database::rows(file).await;
    for (table, row) in rows.unwrap_or_else(|error| unreachable!("cannot read {}: {error}", file.display())) {
        oracle.judge("rows", Place::Record, &format!("{shown} {table}"), &row);
    }
}

/// A file of lines has a record in each; any other is one.
fn in_shared_file(oracle: &Oracle, within: &Path, shown: &str, bytes: &[u8]) {
    let sink = match within.iter().next().and_then(|first| first.to_str()) {
        Some("audit") => "audit",
        Some("usage") => "usage",
        Some("artifacts" | "components") => "artefacts",
        _ => "others",
    };
    if within.extension().is_some_and(|extension| extension == "jsonl") {
        for line in bytes.split(|byte| *byte == b'\n') {
            oracle.judge(sink, Place::Record, shown, line);
        }
    } else {
        oracle.judge(sink, Place::Record, shown, bytes);
    }
}

async fn paths_of(oracle: &Oracle, host: &Host, tenant: &str) -> Vec<String> {
    let mut paths = vec![
        format!("/api/tenants/{tenant}"),
        format!("/api/tenants/{tenant}/quota"),
        format!("/api/tenants/{tenant}/policy"),
        format!("/api/tenants/{tenant}/policy?shadow=true"),
        format!("/api/tenants/{tenant}/keys"),
        format!("/api/tenants/{tenant}/secrets"),
        format!("/api/tenants/{tenant}/groups"),
        format!("/api/agents?tenant={tenant}&limit=1000"),
        format!("/api/registry/agents?tenant={tenant}&limit=1000"),
        format!("/api/queues?tenant={tenant}"),
        format!("/api/dlq?tenant={tenant}&limit=1000"),
        format!("/api/usage?tenant={tenant}"),
        format!("/api/audit?tenant={tenant}&limit=1000"),
    ];
    // Whatever anybody looks for, it finds its own.
    for other in oracle.tenants() {
        let word = oracle.canary(other);
        let search = |condition| format!("/api/registry/agents/search?tenant={tenant}&{condition}={word}");
        paths.extend(["skill", "tag", "pattern", "capability"].map(search));
    }
    for agent in records(&host.api.get(&format!("/api/agents?tenant={tenant}&limit=1000")).await) {
        let id = agent["agentId"].as_str().expect("an agent has an id");
        paths.push(format!("/api/agents/{id}?tenant={tenant}"));
        paths.push(format!("/api/agents/{id}/logs?tenant={tenant}&limit=1000"));
        paths.push(format!("/api/registry/agents/{id}?tenant={tenant}"));
    }
    paths
}

fn records(page: &Answer) -> Vec<Value> {
    page.ok()["items"].as_array().expect("a page has items").clone()
}

/// Every file below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let inside = |path: PathBuf| if path.is_dir() { below(&path) } else { vec![path] };
    entries.flatten().flat_map(|entry| inside(entry.path())).collect()
}

/// The tenant in whose directory a file lies.
fn owner_of(within: &Path) -> Option<String> {
    let mut steps = within.iter();
    (steps.next()? == TENANTS).then_some(())?;
    steps.next()?.to_str().map(str::to_owned)
}

/// The file itself, its log and its index.
fn is_database(within: &Path) -> bool {
    within.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| extension.starts_with("db"))
}
