//! Every way to tamper with a log is found, at the first record that does not hold.

use host_model::Timestamp;

use super::*;
use crate::{Decision, Entry, SealKey};

/// So many records, as lines, and where the chain stands after them.
fn chain(len: u64) -> (Vec<String>, Link) {
    let mut at = Link::GENESIS;
    let mut lines = Vec::new();
    for number in 0..len {
        let entry = Entry {
            at: Timestamp::from_millis(1_700_000_000_000 + number),
            tenant: None,
            actor: "host".to_owned(),
            action: "host.start".into(),
            target: None,
            decision: Decision::Done,
            code: None,
            limit: None,
            actual: None,
            count: None,
            first: None,
            of: None,
            detail: None,
        };
        let (line, next) = at.extend(&entry).unwrap();
        lines.push(line);
        at = next;
    }
    (lines, at)
}

fn verified(segments: &[&[u8]], sealed: Sealed) -> Result<Summary, Break> {
    let named = segments.iter().zip(1..).map(|(bytes, number)| Ok((segment_name(number), *bytes)));
    verify(named, sealed).unwrap()
}

fn check(lines: &[String], sealed: Sealed, line: u64, seq: u64, reason: Reason) {
    let expected = Break { file: segment_name(1), line, seq, reason };
    assert_eq!(verified(&[lines.concat().as_bytes()], sealed), Err(expected));
}

#[test]
fn a_chain_holds_within_and_across_segments() {
    let (lines, end) = chain(5);
    let sealed = Sealed::At(end);
    let whole = verified(&[lines.concat().as_bytes()], sealed).unwrap();
    assert_eq!(whole, Summary { records: 5, files: 1, hash: end.hash, unsealed: 0, torn_bytes: 0 });
    let parted = verified(&[lines[..2].concat().as_bytes(), lines[2..].concat().as_bytes()], sealed).unwrap();
    assert_eq!(parted, Summary { files: 2, ..whole });
    let empty = verified(&[], Sealed::Missing).unwrap();
    assert_eq!((empty.records, empty.hash), (0, Link::GENESIS.hash));
}

#[test]
fn a_flipped_bit_anywhere_is_found_in_its_record() {
    let (lines, end) = chain(5);
    let log = lines.concat().into_bytes();
    let line_len = lines[0].len();
    assert!(lines.iter().all(|line| line.len() == line_len));
    for (at, bit) in (0..log.len()).flat_map(|at| [(at, 1), (at, 32), (at, 128)]) {
        let mut flipped = log.clone();
        flipped[at] ^= bit;
        let broken = verified(&[&flipped], Sealed::At(end)).unwrap_err();
        let record = (at / line_len + 1) as u64;
        assert_eq!((broken.line, broken.seq), (record, record), "byte {at}, bit {bit}: {broken}");
    }
}

#[test]
fn what_was_deleted_moved_doubled_or_cut_off_is_found() {
    let (lines, end) = chain(5);
    let sealed = Sealed::At(end);
    let without = |index: usize| [&lines[..index], &lines[index + 1..]].concat();
    check(&without(0), sealed, 1, 1, Reason::OutOfPlace { found: 2 });
    check(&without(2), sealed, 3, 3, Reason::OutOfPlace { found: 4 });
    check(&without(4), sealed, 5, 5, Reason::CutOff { sealed: 5 });
    check(&[], sealed, 1, 1, Reason::CutOff { sealed: 5 });
    let mut moved = lines.clone();
    moved.swap(1, 2);
    check(&moved, sealed, 2, 2, Reason::OutOfPlace { found: 3 });
    check(&[&lines[..3], &lines[2..]].concat(), sealed, 4, 4, Reason::OutOfPlace { found: 3 });
    check(&[&lines[..2], &["{}\n".to_owned()], &lines[2..]].concat(), sealed, 3, 3, Reason::NotARecord);
}

#[test]
fn a_whole_segment_that_is_gone_is_missed() {
    let (lines, end) = chain(6);
    let parts: Vec<String> = lines.chunks(2).map(<[String]>::concat).collect();
    let broken = verified(&[parts[0].as_bytes(), parts[2].as_bytes()], Sealed::At(end)).unwrap_err();
    assert_eq!((broken.file.as_str(), broken.line, broken.seq), ("000002.jsonl", 1, 3));
}

#[test]
fn a_chain_that_was_made_anew_is_not_the_sealed_one() {
    let (lines, _) = chain(5);
    let other = Link { seq: 4, hash: Link::GENESIS.next_hash(b"other") };
    check(&lines, Sealed::At(other), 4, 4, Reason::Rewritten);
    check(&lines, Sealed::Missing, 6, 5, Reason::NoHead);
    check(&lines, Sealed::Forged, 6, 5, Reason::ForgedHead);
}

#[test]
fn what_a_killed_host_left_is_no_break() {
    let (lines, _) = chain(3);
    let sealed = Sealed::At(chain(2).1);
    let log = lines.concat().into_bytes();
    assert_eq!(verified(&[&log], sealed).unwrap().unsealed, 1);
    let torn = verified(&[&log[..log.len() - 10]], sealed).unwrap();
    assert_eq!((torn.records, torn.torn_bytes), (2, lines[2].len() as u64 - 10));
}

#[test]
fn an_endless_line_is_no_record_and_is_not_read_whole() {
    let (lines, end) = chain(1);
    let log = [lines[0].as_bytes(), &vec![b'x'; LINE_LEN_MAX * 3]].concat();
    let broken = verified(&[&log], Sealed::At(end)).unwrap_err();
    assert_eq!((broken.line, broken.reason), (2, Reason::NotARecord));
}

#[test]
fn files_are_read_in_order_and_up_to_where_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let (lines, end) = chain(4);
    fs::write(dir.path().join(segment_name(1)), lines[..2].concat()).unwrap();
    fs::write(dir.path().join(segment_name(2)), lines[2..].concat() + "half a li").unwrap();
    fs::write(dir.path().join("head"), SealKey([7; 32]).seal(&end)).unwrap();
    let sealed = SealKey([7; 32]).open_file(&dir.path().join("head")).unwrap();
    let len = lines[2..].concat().len() as u64;
    assert_eq!(verify_files(dir.path(), sealed, Some(len)).unwrap().unwrap().torn_bytes, 0);
    assert_eq!(verify_files(dir.path(), sealed, None).unwrap().unwrap().torn_bytes, 9);
    assert!(matches!(verify_files(&dir.path().join("absent"), sealed, None), Err(LedgerError::File { .. })));
}
