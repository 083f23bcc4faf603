//! What is kept comes back as it was, or not at all.

use std::error::Error;
use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;

use host_component::Digest;
use host_model::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::sqlite::tests::open;

pub(crate) fn deployment(tenant: &str, agent: &str, revision: u32) -> Deployment {
    Deployment {
        tenant: id(tenant),
        agent: id(agent),
        revision,
        digest: Digest::of(&revision.to_be_bytes()),
        manifest: format!("[agent]\nid = \"{agent}\" # {revision}, \u{1f980}\n"),
        desired: Desired::Running,
        deployed: Timestamp::from_millis(1_800_000_000_000 + u64::from(revision)),
    }
}

/// A fresh database with these tenants.
pub(crate) async fn with_tenants(dir: &TempDir, tenants: &[&str]) -> Sqlite {
    let store = open(dir).await;
    for tenant in tenants {
        store.create_tenant(&record(tenant)).await.unwrap();
    }
    store
}

pub(crate) fn record(tenant: &str) -> TenantRecord {
    TenantRecord { id: id(tenant), name: format!("{tenant} \u{e9} '\""), created: Timestamp::from_millis(7) }
}

fn id<T: FromStr<Err: Debug>>(raw: &str) -> T {
    raw.parse().unwrap()
}

/// What the store itself says, below what was tried.
fn cause_of<T: Debug>(refused: Result<T, RepositoryError>) -> String {
    refused.unwrap_err().source().unwrap().to_string()
}

async fn edit(store: &Sqlite, sql: &'static str) {
    sqlx::query(sql).execute(&store.writer).await.unwrap();
}

#[tokio::test]
async fn tenants_and_deployments_survive_reopening_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["globex", "acme"]).await;
    for (tenant, agent) in [("globex", "echo"), ("acme", "kb"), ("acme", "echo")] {
        store.save_deployment(&deployment(tenant, agent, 1)).await.unwrap();
    }
    // Dropped, not closed: what a killed host leaves.
    drop(store);

    let store = open(&dir).await;

    assert_eq!(store.tenants().await.unwrap(), [record("acme"), record("globex")]);
    let expected = [deployment("acme", "echo", 1), deployment("acme", "kb", 1), deployment("globex", "echo", 1)];
    assert_eq!(store.deployments().await.unwrap(), expected);
}

#[tokio::test]
async fn the_largest_values_come_back_and_larger_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme"]).await;
    let most = i64::MAX.unsigned_abs();
    let largest = Deployment { deployed: Timestamp::from_millis(most), ..deployment("acme", "echo", u32::MAX) };
    store.save_deployment(&largest).await.unwrap();
    assert_eq!(store.deployments().await.unwrap(), std::slice::from_ref(&largest));

    let larger = Deployment { deployed: Timestamp::from_millis(most + 1), ..largest };
    let line = "9223372036854775808 is too large for 'deployed_ms'";
    assert_eq!(cause_of(store.save_deployment(&larger).await), line);
}

#[tokio::test]
async fn a_tenant_id_is_taken_while_it_is_used_and_ever_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme"]).await;
    let again = TenantRecord { name: "Another".into(), ..record("acme") };
    assert!(matches!(store.create_tenant(&again).await, Err(RepositoryError::Taken)));
    assert_eq!(store.tenants().await.unwrap(), [record("acme")]);

    // There is no verb for it yet: the schema holds the promise for whichever comes.
    edit(&store, "DELETE FROM tenants WHERE tenant = 'acme'").await;
    drop(store);

    let store = open(&dir).await;
    assert!(matches!(store.create_tenant(&again).await, Err(RepositoryError::Taken)));
    assert_eq!(store.tenants().await.unwrap(), []);
}

#[tokio::test]
async fn a_deleted_agents_id_is_taken_ever_after_but_only_in_its_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme", "globex"]).await;
    store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
    store.delete_deployment(&id("acme"), &id("echo")).await.unwrap();
    drop(store);

    let store = open(&dir).await;

    let again = store.save_deployment(&deployment("acme", "echo", 2)).await;
    assert!(matches!(again, Err(RepositoryError::Taken)), "{again:?}");
    assert_eq!(store.deployments().await.unwrap(), []);
    store.save_deployment(&deployment("globex", "echo", 1)).await.unwrap();
    store.save_deployment(&deployment("acme", "echo-2", 1)).await.unwrap();
}

#[tokio::test]
async fn deleting_what_is_not_there_is_no_error_and_takes_no_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme"]).await;
    store.delete_deployment(&id("acme"), &id("echo")).await.unwrap();
    store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
    store.delete_deployment(&id("acme"), &id("echo")).await.unwrap();
    store.delete_deployment(&id("acme"), &id("echo")).await.unwrap();
}

#[tokio::test]
async fn a_tenant_with_deployments_is_not_deleted_from_under_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme"]).await;
    store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
    sqlx::query("DELETE FROM tenants").execute(&store.writer).await.unwrap_err();
    assert_eq!(store.tenants().await.unwrap(), [record("acme")]);
}

#[tokio::test]
async fn a_revision_replaces_the_earlier_one_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme", "globex"]).await;
    let other = deployment("globex", "echo", 1);
    store.save_deployment(&other).await.unwrap();
    store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();

    let second = Deployment { desired: Desired::Stopped, ..deployment("acme", "echo", 2) };
    store.save_deployment(&second).await.unwrap();
    assert_eq!(store.deployments().await.unwrap(), [second.clone(), other.clone()]);

    store.save_deployment(&deployment("acme", "echo", 0)).await.unwrap_err();
    assert_eq!(store.deployments().await.unwrap(), [second, other]);
}

#[tokio::test]
async fn a_deployment_needs_its_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let refused = store.save_deployment(&deployment("acme", "echo", 1)).await;
    assert_eq!(cause_of(refused), "there is no tenant 'acme'");
}

#[tokio::test]
async fn whether_it_should_run_changes_for_that_agent_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme", "globex"]).await;
    let (echo, other) = (deployment("acme", "echo", 1), deployment("globex", "echo", 1));
    store.save_deployment(&echo).await.unwrap();
    store.save_deployment(&other).await.unwrap();

    store.set_desired(&id("acme"), &id("echo"), Desired::Stopped).await.unwrap();

    let stopped = Deployment { desired: Desired::Stopped, ..echo };
    assert_eq!(store.deployments().await.unwrap(), [stopped, other]);
    let refused = store.set_desired(&id("acme"), &id("kb"), Desired::Running).await;
    assert_eq!(cause_of(refused), "agent 'kb' of tenant 'acme' is not deployed");
}

#[tokio::test]
async fn a_hundred_agents_deployed_at_once_are_all_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(with_tenants(&dir, &["acme"]).await);
    let mut saves = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&store);
        saves.spawn(async move { store.save_deployment(&deployment("acme", &format!("agent-{number:03}"), 1)).await });
    }
    for saved in saves.join_all().await {
        saved.unwrap();
    }

    let kept = store.deployments().await.unwrap();

    let expected: Vec<_> = (0..100).map(|number| deployment("acme", &format!("agent-{number:03}"), 1)).collect();
    assert_eq!(kept, expected);
}

/// Damages one column of one deployment, past the checks of the schema.
async fn check_corrupt(sql: &'static str, key: &str, column: &str) {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme"]).await;
    store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
    store.save_deployment(&deployment("acme", "kb", 1)).await.unwrap();
    let mut connection = store.writer.acquire().await.unwrap();
    for sql in ["PRAGMA ignore_check_constraints = ON", "PRAGMA foreign_keys = OFF", sql] {
        sqlx::query(sql).execute(&mut *connection).await.unwrap();
    }

    let refused = store.deployments().await;

    assert_eq!(refused.as_ref().unwrap_err().to_string(), "cannot read the deployments");
    let place = format!("column '{column}' of '{key}' in table 'deployments'");
    assert_eq!(cause_of(refused), format!("the database is damaged: {place}: restore it from a backup"));
}

#[tokio::test]
async fn a_corrupt_row_fails_the_whole_and_is_named() {
    check_corrupt("UPDATE deployments SET tenant = 'AC/ME' WHERE agent = 'kb'", "AC/ME/kb", "tenant").await;
    check_corrupt("UPDATE deployments SET agent = 'dlq' WHERE agent = 'kb'", "acme/dlq", "agent").await;
    check_corrupt(
        "UPDATE deployments SET agent = CAST(x'ff0a' AS TEXT) WHERE agent = 'kb'",
        "acme/\u{fffd}\\n",
        "agent",
    )
    .await;
    check_corrupt("UPDATE deployments SET revision = -1 WHERE agent = 'kb'", "acme/kb", "revision").await;
    check_corrupt("UPDATE deployments SET revision = 4294967296 WHERE agent = 'kb'", "acme/kb", "revision").await;
    check_corrupt("UPDATE deployments SET digest = 'sha256:00' WHERE agent = 'kb'", "acme/kb", "digest").await;
    check_corrupt("UPDATE deployments SET manifest = CAST(x'ff' AS TEXT) WHERE agent = 'kb'", "acme/kb", "manifest")
        .await;
    check_corrupt("UPDATE deployments SET desired = 'RUNNING' WHERE agent = 'kb'", "acme/kb", "desired").await;
    check_corrupt("UPDATE deployments SET deployed_ms = -1 WHERE agent = 'kb'", "acme/kb", "deployed_ms").await;
}

#[tokio::test]
async fn a_corrupt_tenant_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_tenants(&dir, &["acme"]).await;
    edit(&store, "UPDATE tenants SET tenant = '-'").await;
    let line = "the database is damaged: column 'tenant' of '-' in table 'tenants': restore it from a backup";
    assert_eq!(cause_of(store.tenants().await), line);
}
