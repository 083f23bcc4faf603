//! Sealed messages and a log of them, for the tests of this room.

use std::sync::Arc;

use host_bus::{Death, Depth, Keep, Place, Waiting};
use host_gate::{Gate, KeyRefused, Keys, MacKey, MessageLimits, Signing, Verifying};
use host_model::{AgentId, DeathCause, KeyId, MessageId};
use tempfile::TempDir;
use tests_kit::gate::{NOW, Sender};

use super::*;

/// One key that signs for everybody.
pub(super) struct OneKey;

impl Keys for OneKey {
    fn signing(&self, _tenant: &TenantId, _sender: &AgentId) -> Option<Signing> {
        Some(Signing { key: KeyId::new(1), mac: Arc::new(MacKey::new(&[7; 32])) })
    }

    fn verifying(&self, _tenant: &TenantId, _key: KeyId, _sender: &AgentId) -> Result<Verifying, KeyRefused> {
        Err(KeyRefused::Unknown)
    }
}

pub(super) fn tenant(raw: &str) -> TenantId {
    raw.parse().unwrap()
}

pub(super) fn queue(raw: &str) -> Queue {
    raw.parse().unwrap()
}

pub(super) fn message(number: u64) -> MessageId {
    format!("00000000-0000-7000-8000-{number:012x}").parse().unwrap()
}

/// When an id may be forgotten that nobody asks for.
pub(super) const REMEMBERED: Timestamp = Timestamp::from_millis(NOW.as_millis() + 60_000);

pub(super) fn keep_with(whose: &str, number: u64, queues: &[&str], body: &str) -> Keep {
    let sender = Sender::in_tenant(whose);
    let sealed = Gate::new(MessageLimits::default()).seal(&sender.to_agent("echo", body), &OneKey).unwrap();
    Keep {
        sealed,
        message: message(number),
        sender: "sender".parse().unwrap(),
        queues: queues.iter().map(|raw| queue(raw)).collect(),
        kept: NOW,
        remember_until: REMEMBERED,
    }
}

pub(super) fn keep(whose: &str, number: u64, queues: &[&str]) -> Change {
    Change::Keep(keep_with(whose, number, queues, &format!("body {number}")))
}

pub(super) fn place(whose: &str, of: &str, position: u64) -> Place {
    Place { tenant: tenant(whose), queue: queue(of), position: Position(position) }
}

pub(super) fn done(whose: &str, of: &str, position: u64) -> Change {
    Change::Done(place(whose, of, position))
}

pub(super) fn death(at_ms: u64) -> Death {
    Death { cause: DeathCause::Trap, detail: "unreachable".into(), attempts: 5, at: Timestamp::from_millis(at_ms) }
}

pub(super) fn bury(whose: &str, of: &str, position: u64, at_ms: u64) -> Change {
    Change::Bury { place: place(whose, of, position), death: death(at_ms) }
}

pub(super) const fn kept(position: u64) -> Changed {
    Changed::Kept(Position(position))
}

pub(super) const fn known(position: u64) -> Changed {
    Changed::Known(Position(position))
}

pub(super) async fn open(dir: &TempDir) -> SqliteJournal {
    SqliteJournal::open(&DataDir::open(dir.path()).unwrap()).await.unwrap()
}

/// Everything that waits in a queue.
pub(super) async fn waiting(journal: &SqliteJournal, whose: &str, of: &str) -> Vec<Waiting> {
    journal.read(&tenant(whose), &queue(of), Position(0), usize::MAX, usize::MAX).await.unwrap()
}

/// The positions of what waits in a queue.
pub(super) async fn positions(journal: &SqliteJournal, whose: &str, of: &str) -> Vec<u64> {
    waiting(journal, whose, of).await.iter().map(|waiting| waiting.position.0).collect()
}

/// How many wait, and how many are in quarantine, in each queue: `acme/echo 1+0`.
pub(super) async fn depths(journal: &SqliteJournal) -> Vec<String> {
    let show =
        |Depth { tenant, queue, messages, quarantined, .. }| format!("{tenant}/{queue} {messages}+{quarantined}");
    journal.depths().await.unwrap().into_iter().map(show).collect()
}

/// How many rows a table has.
pub(super) async fn rows(journal: &SqliteJournal, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(&journal.readers).await.unwrap()
}
