//! How fast it is; run by hand (`docs/adr/0012-the-journal-is-sqlite.md`).

use std::time::{Duration, Instant};

use host_model::MessageId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::super::samples::keep_with;
use super::*;

const PRODUCERS: u64 = 64;
const GROUP_MAX: usize = 256;
const QUEUED: u64 = 1_000_000;

type Acked = oneshot::Sender<Changed>;

/// Commits what has come in meanwhile, in groups.
async fn group_commit(journal: Arc<SqliteJournal>, mut changes: mpsc::Receiver<(Change, Option<Acked>)>) -> u64 {
    let (mut taken, mut commits) = (Vec::new(), 0);
    while changes.recv_many(&mut taken, GROUP_MAX).await > 0 {
        let (group, acked): (Vec<_>, Vec<_>) = taken.drain(..).unzip();
        let made = journal.commit(&group).await.unwrap();
        commits += 1;
        for (acked, made) in acked.into_iter().zip(made) {
            acked.map(|acked| acked.send(made));
        }
    }
    commits
}

/// How ids lie to each other.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// By time, as a new message's are.
    Ordered,
    /// Anywhere: hashes, as those of what is published while another message is handled.
    Scattered,
}

fn keep_of(number: u64, of: &str, body: &str, kind: Kind) -> Keep {
    let keep = keep_with("acme", number + 1, &[of], body);
    let message = if matches!(kind, Kind::Scattered) { scattered(number + 1) } else { keep.message };
    Keep { message, remember_until: Timestamp::from_millis(REMEMBERED.as_millis() + number / 5), ..keep }
}

fn scattered(number: u64) -> MessageId {
    let hash = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    MessageId::new(uuid::Uuid::from_u128(hash))
}

/// One that publishes, waits, and settles.
async fn produce(
    producer: u64,
    (settles, kind): (bool, Kind),
    until: Instant,
    changes: mpsc::Sender<(Change, Option<Acked>)>,
) -> Vec<Duration> {
    let (queue_name, body) = (format!("agent-{}", producer % 8), "x".repeat(1_024));
    let mut waits = Vec::new();
    for number in 0.. {
        let keep = keep_of(number * PRODUCERS + producer, &queue_name, &body, kind);
        let (acked, done) = oneshot::channel();
        let begun = Instant::now();
        changes.send((Change::Keep(keep), Some(acked))).await.unwrap();
        let Changed::Kept(position) = done.await.unwrap() else { panic!("a new id") };
        waits.push(begun.elapsed());
        if settles {
            let place = Place { tenant: tenant("acme"), queue: queue(&queue_name), position };
            changes.send((Change::Done(place), None)).await.unwrap();
        }
        if Instant::now() > until {
            break;
        }
    }
    waits
}

async fn acknowledged(settles: bool, kind: Kind) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(open(&dir).await);
    let (sender, receiver) = mpsc::channel(1_024);
    let mut writer = JoinSet::new();
    writer.spawn(group_commit(journal.clone(), receiver));
    let begun = Instant::now();
    let until = begun + Duration::from_secs(5);
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        producers.spawn(produce(producer, (settles, kind), until, sender.clone()));
    }
    drop(sender);
    let mut waits = producers.join_all().await.concat();
    waits.sort();
    let commits = writer.join_all().await[0];
    let at = |share: usize| waits[waits.len() * share / 1_000].as_micros();
    let rate = waits.len() as u128 * 1_000 / begun.elapsed().as_millis();
    println!("{kind:?}, settles={settles}: {rate} acked/s, p50 {} µs, p99 {} µs, {commits} commits", at(500), at(990));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn measure_acknowledged_messages() {
    for kind in [Kind::Ordered, Kind::Scattered, Kind::Ordered, Kind::Scattered] {
        acknowledged(false, kind).await;
        acknowledged(true, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and needs 2 GB"]
async fn measure_a_million_queued() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let body = "x".repeat(1_024);
    let begun = Instant::now();
    for from in (0..QUEUED).step_by(1_000) {
        let change =
            |number: u64| Change::Keep(keep_of(number, &format!("agent-{}", number % 8), &body, Kind::Scattered));
        journal.commit(&(from..from + 1_000).map(change).collect::<Vec<_>>()).await.unwrap();
    }
    println!("filled in {:?}", begun.elapsed());
    // As it is after a kill: nothing was folded in for it.
    std::mem::forget(journal);
    let copied = tempfile::tempdir().unwrap();
    DataDir::open(copied.path()).unwrap();
    for name in ["journal.db", "journal.db-wal"] {
        fs::rename(dir.path().join(name), copied.path().join(name)).unwrap();
    }
    let mut step = Instant::now();
    let mut lap = |what: &str| {
        println!("{what}: {:?}", step.elapsed());
        step = Instant::now();
    };
    let journal = open(&copied).await;
    lap("open");
    let queued: u64 = journal.depths().await.unwrap().iter().map(|depth| depth.messages).sum();
    assert_eq!(queued, QUEUED);
    lap("depths");
    journal.last().await.unwrap();
    journal.letter_counts().await.unwrap();
    lap("last, letter counts");
    let page = journal.read(&tenant("acme"), &queue("agent-3"), Position(0), 256, 1 << 20).await.unwrap();
    lap(&format!("a page of {}", page.len()));
    for position in [1_u64, 400_000] {
        let changes: Vec<_> = (0..256).map(|at| done("acme", "agent-0", position + 8 * at)).collect();
        journal.commit(&changes).await.unwrap();
        lap("256 done");
    }
    journal.forget_until(Timestamp::LAST).await.unwrap();
    lap("forget_until with all of them waiting");
    journal.forget_tenant(&tenant("acme")).await.unwrap();
    lap("forget_tenant");
}
