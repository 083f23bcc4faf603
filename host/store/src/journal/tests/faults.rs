//! The log after what can happen to its disk, its file and its process (`threats.md` F02, F05 to F09, F11, F27, F28).

use std::fs;
use std::path::Path;
use std::time::Duration;

use host_bus::{
    Binding, Bus as _, EmbeddedBus, Handover, Inbound, Interest, KeepHealth, Keeper, KeeperParts, Kept, NotTaken,
    QueueLimits, Subscribe,
};
use host_gate::{Delivery, Gate, MessageLimits};
use host_model::Durability;
use tempfile::TempDir;
use tests_kit::eventually;
use tests_kit::gate::{FixedClock, Sender};

use super::super::samples::{OneKey, keep_with};
use super::*;

/// The file and its log as they lie on the disk, as a host leaves them that is killed now.
fn copy(from: &Path, to: &Path) {
    for name in ["journal.db", "journal.db-wal"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// A directory of ours with a copy of a journal.
fn killed(from: &TempDir) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    DataDir::open(dir.path()).unwrap();
    copy(from.path(), dir.path());
    dir
}

async fn refused(dir: &TempDir) -> String {
    SqliteJournal::open(&DataDir::open(dir.path()).unwrap()).await.err().unwrap().to_string()
}

async fn pages_max(journal: &SqliteJournal, pages: &str) {
    let mut turn = journal.writer.begin().await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    let set = sqlx::query(sql).persistent(false).execute(turn.connection()).await;
    turn.end("set", set.map_err(StoreError::from)).await.unwrap();
}

#[tokio::test]
async fn a_killed_host_leaves_nothing_to_repair_and_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a"]), keep("acme", 2, &["a"])]).await.unwrap();
    journal.commit(&[done("acme", "a", 1)]).await.unwrap();
    let killed = killed(&dir);
    for _ in 0..2 {
        let again = open(&killed).await;
        assert_eq!(positions(&again, "acme", "a").await, [2]);
        assert_eq!(again.last().await.unwrap(), Position(2));
    }
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_holds_what_was_acknowledged_before_the_cut() {
    const CUT_EVERY: u64 = 512;
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let log = dir.path().join("journal.db-wal");
    // Folded in, so that the log holds the messages alone.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&journal.readers).await.unwrap();
    let mut acknowledged = Vec::new();
    for number in 1..=4 {
        journal.commit(&[keep("acme", number, &["a"])]).await.unwrap();
        acknowledged.push(fs::metadata(&log).unwrap().len());
    }
    let len = *acknowledged.last().unwrap();
    for cut in (0..=len / CUT_EVERY).map(|step| step * CUT_EVERY).chain([len]) {
        let killed = killed(&dir);
        let torn = fs::OpenOptions::new().write(true).open(killed.path().join("journal.db-wal")).unwrap();
        torn.set_len(cut).unwrap();
        let expected = acknowledged.iter().filter(|end| **end <= cut).count() as u64;
        let again = open(&killed).await;
        assert_eq!(positions(&again, "acme", "a").await, (1..=expected).collect::<Vec<_>>(), "cut at {cut} of {len}");
        assert_eq!(again.commit(&[keep("acme", 9, &["a"])]).await.unwrap(), [kept(expected + 1)]);
    }
}

/// What is found after one bit of the file has flipped: how many frames of the 40 are as they were kept. `None` if the journal or
/// its queue is not read at all.
async fn frames_after_a_flip(dir: &TempDir, bytes: &[u8], bit: usize, original: &[Waiting]) -> Option<usize> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    let killed = tempfile::tempdir_in(dir).unwrap();
    let data = DataDir::open(killed.path()).unwrap();
    fs::write(data.journal(), flipped).unwrap();
    let journal = SqliteJournal::open(&data).await.ok()?;
    let read = journal.read(&tenant("acme"), &queue("a"), Position(0), 100, usize::MAX).await;
    journal.close().await;
    let as_kept = |one: &&Waiting| original.iter().any(|kept| kept.position == one.position && kept.frame == one.frame);
    Some(read.ok()?.iter().filter(as_kept).count())
}

#[tokio::test]
async fn a_flipped_bit_hurts_what_lies_around_it_and_nothing_else() {
    const FLIP_EVERY: usize = 10_007;
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let changes: Vec<_> =
        (1..=40).map(|number| Change::Keep(keep_with("acme", number, &["a"], &"x".repeat(1_000)))).collect();
    journal.commit(&changes).await.unwrap();
    let original = waiting(&journal, "acme", "a").await;
    journal.close().await;
    drop(journal);
    let bytes = fs::read(dir.path().join("journal.db")).unwrap();
    let (mut whole, mut one, mut some, mut refused) = (0, 0, 0, 0);
    for bit in (0..bytes.len() * 8).step_by(FLIP_EVERY) {
        match frames_after_a_flip(&dir, &bytes, bit, &original).await {
            Some(40) => whole += 1,
            Some(39) => one += 1,
            Some(_) => some += 1,
            None => refused += 1,
        }
    }
    // Most bytes are those of frames; the rest are what holds the file together.
    let found = format!("{whole} whole, {one} with one hurt, {some} with some, {refused} refused");
    assert!(one > 20 && some + refused < (whole + one) / 10, "{found}");
}

/// What makes the second row one that was never written.
const DAMAGES: [&str; 6] = [
    "DELETE FROM messages WHERE position = 2",
    "UPDATE messages SET sender = 'NOBODY' WHERE position = 2",
    "UPDATE messages SET tenant = 'globex' WHERE position = 2",
    "UPDATE messages SET message = x'00' WHERE position = 2",
    "UPDATE messages SET kept_ms = -1 WHERE position = 2",
    "UPDATE deliveries SET failures = 1 << 40 WHERE position = 2",
];

/// Three messages in a queue, of which the second is damaged.
async fn damaged(dir: &TempDir, damage: &'static str) -> SqliteJournal {
    let journal = open(dir).await;
    journal.commit(&(1..=3).map(|number| keep("acme", number, &["a"])).collect::<Vec<_>>()).await.unwrap();
    let mut turn = journal.writer.begin().await.unwrap();
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON").execute(turn.connection()).await.unwrap();
    let hurt = sqlx::query(damage).execute(turn.connection()).await.map_err(StoreError::from);
    turn.end("damage", hurt).await.unwrap();
    sqlx::raw_sql("PRAGMA ignore_check_constraints = OFF")
        .execute(journal.writer.begin().await.unwrap().connection())
        .await
        .unwrap();
    journal
}

/// Takes everything, and ends nothing.
struct Taker;

impl Inbound for Taker {
    fn deliver(&self, _delivery: Delivery) -> Result<(), NotTaken> {
        Err(NotTaken::Refused)
    }

    fn take(&self, _kept: &Kept<'_>) -> Handover {
        Handover::Taken
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_set_aside_by_its_queue_and_messages_are_kept_as_before() {
    for damage in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        let limits = QueueLimits {
            messages_max: 100,
            bytes_max: 1 << 20,
            letters_max: 10,
            retention: Duration::from_hours(1),
            attempts_max: 3,
        };
        let keeper = Keeper::open(KeeperParts {
            journal: Arc::new(damaged(&dir, damage).await),
            gate: Gate::new(MessageLimits::default()),
            keys: Arc::new(OneKey),
            clock: Arc::new(FixedClock::new()),
            limits,
        });
        let keeper = keeper.await.unwrap();
        let (acme, agent) = (tenant("acme"), "a".parse().unwrap());
        keeper.bind(Binding { tenant: acme.clone(), agent, topics: Vec::new(), shared: Vec::new() });
        let bus = EmbeddedBus::keeping(keeper.clone());
        let interest = Interest::Queue { queue: queue("a"), in_flight_max: 10 };
        bus.subscribe(Subscribe { tenant: acme.clone(), interest, queue: None, member: None }, Arc::new(Taker));
        let view = eventually("two are taken", async || {
            let view = bus.queues(&acme).remove(0);
            (view.in_flight == 2).then_some(view)
        });
        assert_eq!(view.await.quarantined, 1, "{damage}");
        assert_eq!(
            bus.keep(Sender::in_tenant("acme").to_agent("a", "next")).await.unwrap().durability,
            Durability::Durable
        );
        assert_eq!(bus.health(), KeepHealth::Good, "{damage}");
    }
}

#[tokio::test]
async fn a_length_that_was_damaged_hides_nothing_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = damaged(&dir, "UPDATE deliveries SET len = -9223372036854775808 WHERE position = 2").await;
    assert_eq!(positions(&journal, "acme", "a").await, [1, 2, 3]);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_handed_on_with_an_empty_frame_and_the_others_as_they_are() {
    for damage in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        let journal = damaged(&dir, damage).await;
        let lens: Vec<_> = waiting(&journal, "acme", "a").await.iter().map(|one| one.frame.is_empty()).collect();
        assert_eq!(lens, [false, true, false], "{damage}");
        journal.commit(&[Change::Quarantine { place: place("acme", "a", 2), code: "bad-frame" }]).await.unwrap();
        assert_eq!(positions(&journal, "acme", "a").await, [1, 3], "{damage}");
    }
}

#[tokio::test]
async fn a_full_disk_takes_nothing_new_says_so_and_takes_it_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap();
    pages_max(&journal, "1").await;
    let big = || [keep("acme", 2, &["a"]), Change::Keep(keep_with("acme", 3, &["a"], &"x".repeat(60_000)))];
    for _ in 0..3 {
        let full = journal.commit(&big()).await.unwrap_err();
        assert!(matches!(full, JournalError::Full), "{full:?}");
        assert_eq!(positions(&journal, "acme", "a").await, [1]);
    }
    // Settling goes on.
    let due = NOW;
    journal.commit(&[Change::Failed { place: place("acme", "a", 1), failures: 1, due }]).await.unwrap();
    journal.commit(&[done("acme", "a", 1)]).await.unwrap();
    pages_max(&journal, "1000000").await;
    assert_eq!(journal.commit(&big()).await.unwrap(), [kept(2), kept(3)]);
}

#[tokio::test]
async fn new_messages_leave_room_on_the_disk_for_settling_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap();
    journal.reserve = Reserve::with(dir.path(), u64::MAX).unwrap();
    let full = journal.commit(&[keep("acme", 2, &["a"])]).await.unwrap_err();
    assert!(matches!(full, JournalError::Full), "{full:?}");
    journal.commit(&[done("acme", "a", 1)]).await.unwrap();
}

#[tokio::test]
async fn after_a_fault_that_says_nothing_about_the_disk_nothing_is_taken_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap();
    let mut turn = journal.writer.begin().await.unwrap();
    let failed = Err::<(), _>(StoreError::Database(sqlx::Error::WorkerCrashed));
    turn.connection();
    turn.end("commit", failed).await.unwrap_err();
    for _ in 0..2 {
        let broken = journal.commit(&[keep("acme", 2, &["a"])]).await.unwrap_err();
        assert!(matches!(broken, JournalError::Broken { .. }), "{broken:?}");
        assert!(matches!(journal.forget_until(NOW).await, Err(JournalError::Broken { .. })));
    }
    assert_eq!(positions(&journal, "acme", "a").await, [1]);
    drop(journal);
    assert_eq!(open(&dir).await.commit(&[keep("acme", 2, &["a"])]).await.unwrap(), [kept(2)]);
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_any_more_is_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let mut turn = journal.writer.begin().await.unwrap();
    sqlx::query("DELETE FROM messages").execute(turn.connection()).await.unwrap();
    drop(turn);
    for polls in 0..40_u64 {
        let changes = [keep("acme", 2 * polls, &["a"]), keep("acme", 2 * polls + 1, &["b"])];
        let mut commit = Box::pin(journal.commit(&changes));
        for _ in 0..polls {
            if futures_poll(&mut commit).await {
                break;
            }
        }
    }
    journal.commit(&[keep("acme", 1_000, &["a", "b"])]).await.unwrap();
    let ids = async |of| waiting(&journal, "acme", of).await.iter().map(|one| one.position.0).collect::<Vec<_>>();
    let (a, b) = (ids("a").await, ids("b").await);
    assert_eq!(a.len(), b.len());
    assert!(!a.is_empty());
}

/// Polls once, then lets the database's thread go on; says whether it is done.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let done = std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_ready())
    });
    let done = done.await;
    tokio::task::yield_now().await;
    done
}

#[tokio::test]
async fn a_reader_that_stays_lets_the_log_grow_to_its_bound_and_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).await;
    let path = dir.path().join("journal.db");
    let log = dir.path().join("journal.db-wal");
    let patient = settings(&path).busy_timeout(Duration::from_millis(10));
    journal.writer.close().await;
    journal.writer = Writer::with(patient.connect().await.unwrap(), &path, 100_000, 400_000);
    journal.commit(&[keep("acme", 1_000, &["a"])]).await.unwrap();

    let mut reader = journal.readers.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM messages").fetch_one(&mut *reader).await.unwrap();
    let mut taken = 0;
    let refused = loop {
        match journal.commit(&[keep("acme", 1 + taken, &["a"])]).await {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 200, "the log grows for ever");
    };
    assert!(matches!(refused, JournalError::Full), "{refused:?}");
    assert!(taken > 3);
    let len = || fs::metadata(&log).unwrap().len();
    assert!((400_000..500_000).contains(&len()), "{}", len());

    reader.rollback().await.unwrap();
    journal.commit(&[keep("acme", 1 + taken, &["a"])]).await.unwrap();
    assert!(len() < 100_000, "{}", len());
    assert_eq!(positions(&journal, "acme", "a").await.len() as u64, taken + 2);
}

#[tokio::test]
async fn every_commit_is_synced_and_pages_can_be_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let mut turn = journal.writer.begin().await.unwrap();
    for (name, expected) in [("synchronous", 2), ("secure_delete", 2), ("auto_vacuum", 2), ("temp_store", 2)] {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA {name}"));
        let value: i64 = sqlx::query_scalar(sql).fetch_one(turn.connection()).await.unwrap();
        assert_eq!(value, expected, "{name}");
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(turn.connection()).await.unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn the_open_journal_keeps_the_directory_held() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    assert!(matches!(DataDir::open(dir.path()), Err(StoreError::InUse { .. })));
    journal.close().await;
    drop(journal);
    DataDir::open(dir.path()).unwrap();
}

/// Refuses what lies at the journal's place, and leaves it as it is.
async fn check_refused(dir: &TempDir, line: &str) {
    let path = dir.path().join("journal.db");
    let before = fs::read(&path).unwrap();
    assert_eq!(refused(dir).await, line.replace("{}", &path.display().to_string()));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_is_no_journal_is_refused_and_nothing_changed() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    fs::write(data.journal(), "not a database, ".repeat(64)).unwrap();
    drop(data);
    check_refused(&dir, "cannot open the database {}").await;

    // A database of ours that is another one.
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    crate::AgentState::open(&data).await.unwrap().close().await;
    fs::rename(data.state(), data.journal()).unwrap();
    drop(data);
    check_refused(&dir, "{} was written by a newer version (schema 2, this one knows 1): upgrade bailiwick").await;
}

#[tokio::test]
async fn a_newer_journal_is_refused_and_nothing_changed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let mut turn = journal.writer.begin().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9000, 'later', TRUE, x'00', 0)";
    let written = sqlx::query(newer).execute(turn.connection()).await.map_err(StoreError::from);
    turn.end("write", written).await.unwrap();
    journal.close().await;
    drop(journal);
    let line = "{} was written by a newer version (schema 9000, this one knows 1): upgrade bailiwick";
    check_refused(&dir, line).await;
}
