//! The log on a real file.

mod faults;
mod letters;
mod measure;

use host_bus::{Keep, Place, Waiting};
use host_model::AgentId;
use tests_kit::gate::NOW;

use super::samples::{
    REMEMBERED, bury, depths, done, keep, keep_with, kept, known, message, open, place, positions, queue, rows, tenant,
    waiting,
};
use super::*;

#[tokio::test]
async fn a_message_is_read_back_as_it_was_kept_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let keep = keep_with("acme", 1, &["echo"], "hello");
    let (frame, address) = (keep.sealed.bytes().clone(), keep.sealed.address().to_owned());
    assert_eq!(journal.commit(&[Change::Keep(keep)]).await.unwrap(), [kept(1)]);
    journal.close().await;
    drop(journal);

    let journal = open(&dir).await;
    let read = waiting(&journal, "acme", "echo").await;

    let [Waiting { position, message: id, remembered, sender, failures, due, kept, .. }] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!((*position, *id, *remembered), (Position(1), message(1), Some(Position(1))));
    assert_eq!((sender.as_str(), *failures, due.as_millis(), *kept), ("sender", 0, 0, NOW));
    assert_eq!((&read[0].frame, &read[0].address), (&frame, &address));
    assert_eq!(journal.last().await.unwrap(), Position(1));
}

#[tokio::test]
async fn what_the_operator_sent_is_read_back_waiting_and_dead() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let keep = Keep { sender: AgentId::operator(), ..keep_with("acme", 1, &["echo"], "hello") };
    journal.commit(&[Change::Keep(keep)]).await.unwrap();
    let read = waiting(&journal, "acme", "echo").await;
    assert_eq!((&read[0].sender, read[0].message), (&AgentId::operator(), message(1)));
    journal.commit(&[bury("acme", "echo", 1, 42)]).await.unwrap();
    let letter = journal.letter(&tenant("acme"), LetterId(1)).await.unwrap();
    assert_eq!(letter.map(|letter| letter.sender), Some(AgentId::operator()));
}

#[tokio::test]
async fn positions_grow_with_the_order_of_keeping_and_are_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let changes: Vec<_> = (1..=150).map(|number| keep("acme", number, &["echo"])).collect();
    let expected: Vec<_> = (1..=150).map(kept).collect();
    assert_eq!(journal.commit(&changes).await.unwrap(), expected);
    assert_eq!(positions(&journal, "acme", "echo").await, (1..=150).collect::<Vec<_>>());

    journal.commit(&(1..=150).map(|at| done("acme", "echo", at)).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(rows(&journal, "messages").await, 0);
    journal.close().await;
    drop(journal);
    let journal = open(&dir).await;
    assert_eq!(journal.last().await.unwrap(), Position(150));
    assert_eq!(journal.commit(&[keep("acme", 151, &["echo"])]).await.unwrap(), [kept(151)]);
}

#[tokio::test]
async fn a_frame_goes_with_the_last_of_its_queues() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a", "b", "c", "b"]), keep("acme", 2, &["a"])]).await.unwrap();
    assert_eq!(depths(&journal).await, ["acme/a 2+0", "acme/b 1+0", "acme/c 1+0"]);
    let check = async |changes: &[Change], frames: i64| {
        journal.commit(changes).await.unwrap();
        assert_eq!(rows(&journal, "messages").await, frames, "{changes:?}");
    };
    check(&[done("acme", "a", 1)], 2).await;
    // Done twice counts once.
    check(&[done("acme", "a", 1), done("acme", "a", 1)], 2).await;
    check(&[done("acme", "c", 1), done("acme", "a", 2)], 1).await;
    assert_eq!(positions(&journal, "acme", "b").await, [1]);
    check(&[done("acme", "b", 1)], 0).await;
    assert_eq!(depths(&journal).await, [""; 0]);

    // Of several queues in one commit.
    journal.commit(&[keep("acme", 3, &["a", "b", "c"])]).await.unwrap();
    check(&[done("acme", "a", 3), done("acme", "b", 3)], 1).await;
    check(&[done("acme", "c", 3)], 0).await;
}

#[tokio::test]
async fn an_id_that_was_kept_is_known_in_the_same_commit_and_after_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let made =
        journal.commit(&[keep("acme", 1, &["a"]), keep("acme", 1, &["b"]), keep("acme", 2, &["a"])]).await.unwrap();
    let [Changed::Kept(first), Changed::Known(again), Changed::Kept(second)] = made[..] else { panic!("{made:?}") };
    assert!(first == again && first < second, "{made:?}");
    assert_eq!(depths(&journal).await, ["acme/a 2+0"]);

    journal.commit(&[done("acme", "a", first.0)]).await.unwrap();
    assert_eq!(journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap(), [known(first.0)]);
    // Another tenant's ids are its own.
    assert!(matches!(journal.commit(&[keep("globex", 1, &["a"])]).await.unwrap()[..], [Changed::Kept(_)]));
    assert_eq!(depths(&journal).await, ["acme/a 1+0", "globex/a 1+0"]);
}

#[tokio::test]
async fn a_failed_message_says_how_often_and_when_it_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a", "b"])]).await.unwrap();
    let due = Timestamp::from_millis(NOW.as_millis() + 500);
    journal.commit(&[Change::Failed { place: place("acme", "a", 1), failures: 2, due }]).await.unwrap();
    let told =
        async |of| waiting(&journal, "acme", of).await.iter().map(|one| (one.failures, one.due)).collect::<Vec<_>>();
    assert_eq!(told("a").await, [(2, due)]);
    assert_eq!(told("b").await, [(0, Timestamp::from_millis(0))]);
    let gone = [done("acme", "a", 1), Change::Failed { place: place("acme", "a", 1), failures: 3, due }];
    assert_eq!(journal.commit(&gone).await.unwrap(), [Changed::Made; 2]);
    assert_eq!(told("a").await, []);
}

#[tokio::test]
async fn what_is_in_quarantine_stays_and_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a", "b"]), keep("acme", 2, &["a"])]).await.unwrap();
    journal.commit(&[Change::Quarantine { place: place("acme", "a", 1), code: "bad-signature" }]).await.unwrap();
    assert_eq!(positions(&journal, "acme", "a").await, [2]);
    assert_eq!(positions(&journal, "acme", "b").await, [1]);
    assert_eq!(depths(&journal).await, ["acme/a 1+1", "acme/b 1+0"]);
    let weighed = journal.depths().await.unwrap();
    assert_eq!(weighed[0].bytes, waiting(&journal, "acme", "a").await[0].frame.len() as u64);
}

#[tokio::test]
async fn a_page_ends_at_its_count_and_with_the_message_that_passes_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&(1..=9).map(|number| keep("acme", number, &["a"])).collect::<Vec<_>>()).await.unwrap();
    let len = waiting(&journal, "acme", "a").await[0].frame.len();
    let check = async |after, len_max, bytes_max, expected: &[u64]| {
        let read = journal.read(&tenant("acme"), &queue("a"), Position(after), len_max, bytes_max).await.unwrap();
        let read: Vec<_> = read.iter().map(|waiting| waiting.position.0).collect();
        assert_eq!(read, expected, "after {after}, {len_max}, {bytes_max} bytes");
    };
    check(0, 4, usize::MAX, &[1, 2, 3, 4]).await;
    check(4, 4, usize::MAX, &[5, 6, 7, 8]).await;
    check(8, 4, usize::MAX, &[9]).await;
    check(9, 4, usize::MAX, &[]).await;
    check(u64::MAX, 4, usize::MAX, &[]).await;
    check(0, 9, 0, &[1]).await;
    check(0, 9, 1, &[1]).await;
    check(0, 9, len, &[1]).await;
    check(0, 9, len + 1, &[1, 2]).await;
    check(2, 9, 2 * len + 1, &[3, 4, 5]).await;
    check(0, 0, usize::MAX, &[]).await;
}

#[tokio::test]
async fn beyond_so_many_a_tenants_oldest_ids_are_forgotten_unless_their_message_waits() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    for number in 1..=4 {
        let remember_until = Timestamp::from_millis(REMEMBERED.as_millis() + number);
        let keep = Keep { remember_until, ..keep_with("acme", number, &["a"], "x") };
        journal.commit(&[Change::Keep(keep)]).await.unwrap();
    }
    journal.commit(&[keep("globex", 5, &["a"])]).await.unwrap();
    let ended = [done("acme", "a", 2), done("acme", "a", 3), done("acme", "a", 4), done("globex", "a", 5)];
    journal.commit(&ended).await.unwrap();
    for forgotten in [1, 0] {
        assert_eq!(journal.forget_beyond(&tenant("acme"), 2).await.unwrap(), forgotten);
        assert_eq!(rows(&journal, "remembered").await, 4);
    }
}

#[tokio::test]
async fn a_tenant_reaches_nothing_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["agents"])]).await.unwrap();
    assert_eq!(positions(&journal, "globex", "agents").await, positions(&journal, "globex", "nobody").await);
    let place = place("globex", "agents", 1);
    let foreign = [
        Change::Done(place.clone()),
        Change::Failed { place: place.clone(), failures: 9, due: NOW },
        Change::Quarantine { place: place.clone(), code: "bad-signature" },
        Change::Bury { place, death: samples::death(0) },
    ];
    assert_eq!(journal.commit(&foreign).await.unwrap(), [Changed::Made; 4]);
    let kept = waiting(&journal, "acme", "agents").await;
    assert_eq!((kept.len(), kept[0].failures), (1, 0));
    assert_eq!(journal.letter_counts().await.unwrap(), []);
}

#[tokio::test]
async fn an_id_is_forgotten_after_its_time_unless_its_message_waits() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    // More than one step of forgetting, all at the same moment.
    let many: Vec<_> = (1..=1_500).map(|number| keep("acme", number, &["a"])).collect();
    journal.commit(&many).await.unwrap();
    let all_but_two: Vec<_> = (1..=1_498).map(|at| done("acme", "a", at)).collect();
    journal.commit(&all_but_two).await.unwrap();
    assert_eq!(journal.forget_until(REMEMBERED).await.unwrap(), 0);
    assert_eq!(journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap(), [known(1)]);
    let later = Timestamp::from_millis(REMEMBERED.as_millis() + 1);
    assert_eq!(journal.forget_until(later).await.unwrap(), 1_498);
    assert_eq!(journal.forget_until(later).await.unwrap(), 0);
    assert_eq!(journal.commit(&[keep("acme", 1_500, &["a"])]).await.unwrap(), [known(1_500)]);
    assert!(matches!(journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap()[..], [Changed::Kept(_)]));
}

#[tokio::test]
async fn a_tenant_is_forgotten_whole_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let of = |tenant| (1..=1_100).map(move |number| keep(tenant, number, &["a", "b"]));
    journal.commit(&of("acme").collect::<Vec<_>>()).await.unwrap();
    journal.commit(&[bury("acme", "a", 1, 0), keep("globex", 1, &["a"])]).await.unwrap();
    journal.forget_tenant(&tenant("acme")).await.unwrap();
    assert_eq!(depths(&journal).await, ["globex/a 1+0"]);
    for (table, left) in [("messages", 1), ("deliveries", 1), ("remembered", 1), ("letters", 0)] {
        assert_eq!(rows(&journal, table).await, left, "{table}");
    }
    assert_eq!(positions(&journal, "globex", "a").await, [1_101]);
}

#[tokio::test]
async fn space_is_given_back_when_much_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let body = "x".repeat(60_000);
    let len = async || {
        // Folded in, so that the file shows it.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&journal.readers).await.unwrap();
        fs::metadata(dir.path().join("journal.db")).unwrap().len() >> 20
    };
    for round in 0..8 {
        let changes: Vec<_> =
            (0..64).map(|number| Change::Keep(keep_with("acme", round * 64 + number, &["a"], &body))).collect();
        journal.commit(&changes).await.unwrap();
    }
    let full = len().await;
    journal.commit(&(1..=512).map(|at| done("acme", "a", at)).collect::<Vec<_>>()).await.unwrap();
    journal.forget_until(NOW).await.unwrap();
    let left = len().await;
    assert!(full > 28 && left < full - 8 && left <= 18, "{full} MiB, then {left} MiB");
}
