//! Dead letters: buried, read by page, sent again, purged.

use host_bus::{LetterId, Letters};

use super::super::samples::{bury, death, keep_with};
use super::*;

fn replay(letter: u64, keep: Keep) -> Change {
    Change::Replay { letter: LetterId(letter), at: NOW, keep }
}

#[tokio::test]
async fn a_buried_message_leaves_its_queue_and_is_a_letter_with_its_frame() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    let keep = keep_with("acme", 1, &["a", "b"], "poison");
    let frame = keep.sealed.bytes().clone();
    journal.commit(&[Change::Keep(keep)]).await.unwrap();
    journal.commit(&[bury("acme", "a", 1, 42), bury("acme", "a", 1, 43)]).await.unwrap();

    let letters = journal.letters(&tenant("acme"), LetterId(0), 9).await.unwrap();
    let [listed] = &letters[..] else { panic!("{letters:?}") };
    assert!(listed.frame.is_empty());
    let letter = journal.letter(&tenant("acme"), listed.id).await.unwrap().unwrap();
    assert_eq!((&listed.death, listed.message), (&letter.death, letter.message));
    assert_eq!((&letter.death, &letter.frame, letter.message), (&death(42), &frame, message(1)));
    assert_eq!((letter.queue.as_str(), letter.sender.as_str(), letter.kept), ("a", "sender", NOW));
    assert_eq!((&letter.address[..], letter.replayed), ("queues.echo", None));
    assert_eq!(depths(&journal).await, ["acme/b 1+0"]);
    journal.commit(&[done("acme", "b", 1)]).await.unwrap();
    assert_eq!(rows(&journal, "messages").await, 0);
}

#[tokio::test]
async fn letters_are_read_by_page_and_by_their_own_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&(1..=5).map(|number| keep("acme", number, &["a"])).collect::<Vec<_>>()).await.unwrap();
    journal.commit(&(1..=5).map(|at| bury("acme", "a", at, at)).collect::<Vec<_>>()).await.unwrap();
    let check = async |whose, after, len_max, expected: &[u64]| {
        let page = journal.letters(&tenant(whose), LetterId(after), len_max).await.unwrap();
        assert_eq!(page.iter().map(|letter| letter.id.0).collect::<Vec<_>>(), expected, "{whose} after {after}");
    };
    check("acme", 0, 2, &[1, 2]).await;
    check("acme", 2, 2, &[3, 4]).await;
    check("acme", 4, 2, &[5]).await;
    check("globex", 0, 2, &[]).await;
    assert_eq!(journal.letter_counts().await.unwrap(), [(tenant("acme"), 5)]);
    let one = async |whose, id| journal.letter(&tenant(whose), LetterId(id)).await.unwrap().map(|letter| letter.id.0);
    assert_eq!((one("acme", 3).await, one("globex", 3).await, one("acme", 6).await), (Some(3), None, None));
}

#[tokio::test]
async fn letters_are_purged_one_or_all_until_a_moment_and_their_numbers_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&(1..=400).map(|number| keep("acme", number, &["a"])).collect::<Vec<_>>()).await.unwrap();
    journal.commit(&(1..=400).map(|at| bury("acme", "a", at, at)).collect::<Vec<_>>()).await.unwrap();
    let until = |millis| Letters::Until(Timestamp::from_millis(millis));
    for (whose, which, purged) in [
        ("globex", Letters::One(LetterId(2)), 0),
        ("globex", until(1_000), 0),
        ("acme", Letters::One(LetterId(2)), 1),
        ("acme", Letters::One(LetterId(2)), 0),
        ("acme", until(3), 2),
        ("acme", until(1_000), 397),
    ] {
        assert_eq!(journal.purge(&tenant(whose), which).await.unwrap(), purged, "{whose} {which:?}");
    }
    journal.commit(&[keep("acme", 401, &["a"])]).await.unwrap();
    journal.commit(&[bury("acme", "a", 401, 9)]).await.unwrap();
    assert_eq!(journal.letters(&tenant("acme"), LetterId(0), 9).await.unwrap()[0].id, LetterId(401));
}

#[tokio::test]
async fn a_letter_is_sent_again_once_however_often_that_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap();
    journal.commit(&[bury("acme", "a", 1, 0)]).await.unwrap();
    let again = || keep_with("acme", 2, &["a"], "body 1");

    let made = journal.commit(&[keep("acme", 3, &["a"]), replay(1, again()), replay(1, again())]).await.unwrap();
    assert_eq!(made, [kept(2), kept(3), known(3)]);
    assert_eq!(journal.commit(&[replay(1, again())]).await.unwrap(), [known(3)]);

    assert_eq!(positions(&journal, "acme", "a").await, [2, 3]);
    let letter = journal.letter(&tenant("acme"), LetterId(1)).await.unwrap().unwrap();
    assert_eq!(letter.replayed, Some((NOW, message(2))));
    // Also when its id is forgotten by then.
    journal.commit(&[done("acme", "a", 3)]).await.unwrap();
    assert_eq!(journal.forget_until(Timestamp::LAST).await.unwrap(), 2);
    assert_eq!(journal.commit(&[replay(1, again())]).await.unwrap(), [known(3)]);
}

#[tokio::test]
async fn a_letter_that_is_not_there_or_anothers_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).await;
    journal.commit(&[keep("acme", 1, &["a"])]).await.unwrap();
    journal.commit(&[bury("acme", "a", 1, 0)]).await.unwrap();
    let (foreign, unknown) = (keep_with("globex", 2, &["a"], "x"), keep_with("acme", 2, &["a"], "x"));
    let made = journal.commit(&[replay(1, foreign), replay(7, unknown)]).await.unwrap();
    assert_eq!(made, [Changed::Made; 2]);
    assert_eq!(depths(&journal).await, [""; 0]);
    assert_eq!(journal.letter(&tenant("acme"), LetterId(1)).await.unwrap().unwrap().replayed, None);
}
