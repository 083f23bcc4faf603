//! The audit on a real directory, opened again after what can happen to it.

use std::sync::Arc;

use host_ledger::{Act, Decision, Ledger, Reason};
use host_model::{Clock, Timestamp};

use super::*;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn uptime_millis(&self) -> u64 {
        0
    }
}

const ALL: Query = Query { tenant: None, since: None, action: None, decision: None, limit: usize::MAX };

fn open(dir: &Path) -> (Arc<AuditFiles>, Found) {
    let (log, found) = AuditFiles::open(&DataDir::open(dir).unwrap(), SealKey([7; 32])).unwrap();
    (Arc::new(log), found)
}

/// One host's time: some acts, and the end.
async fn host(dir: &Path, acts: usize) -> Found {
    let (log, found) = open(dir);
    let ledger = Ledger::start(log, Arc::new(Stopped), found).unwrap();
    for _ in 0..acts {
        ledger.record(Act::operator("agent.stop").tenant(&"acme".parse().unwrap()).on(&"echo")).await.unwrap().done();
    }
    ledger.close();
    found
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("audit/000001.jsonl")
}

fn verified(dir: &Path) -> Result<Summary, Break> {
    open(dir).0.verify().unwrap()
}

#[tokio::test]
async fn the_chain_goes_on_over_restarts_and_its_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(host(dir.path(), 3).await, Found::default());
    assert_eq!(host(dir.path(), 2).await, Found::default());
    let summary = verified(dir.path()).unwrap();
    assert_eq!((summary.records, summary.unsealed, summary.torn_bytes), (1 + 6 + 4, 0, 0));
    for file in ["audit/000001.jsonl", "audit/head", "audit/reserve"] {
        assert_eq!(fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_said() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path(), 1).await;
    let mut bytes = fs::read(segment(dir.path())).unwrap();
    bytes.extend_from_slice(b"{\"seq\":4,\"at\":17");
    fs::write(segment(dir.path()), bytes).unwrap();
    assert_eq!(host(dir.path(), 1).await, Found { torn_bytes: 16, ..Found::default() });
    assert_eq!(verified(dir.path()).unwrap().records, 3 + 1 + 2);
    let (log, _) = open(dir.path());
    let recovered = log.read(&Query { action: Some("audit.recover".to_owned()), ..ALL }).unwrap();
    assert_eq!(recovered[0].entry.detail.as_ref().unwrap()["tornBytes"], 16);
}

#[tokio::test]
async fn records_cut_off_the_end_stay_missed_whatever_is_written_after() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path(), 3).await;
    let text = fs::read_to_string(segment(dir.path())).unwrap();
    let kept: String = text.split_inclusive('\n').take(5).collect();
    fs::write(segment(dir.path()), kept).unwrap();
    let missed = |line, reason| Break { file: "000001.jsonl".to_owned(), line, seq: 6, reason };
    assert_eq!(verified(dir.path()), Err(missed(6, Reason::CutOff { sealed: 7 })));
    assert_eq!(host(dir.path(), 3).await.cut_off_from, Some(6));
    assert_eq!(verified(dir.path()), Err(missed(6, Reason::OutOfPlace { found: 8 })));
}

#[test]
fn what_cannot_be_sealed_is_not_appended() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    let end = Link { seq: 1, ..Link::GENESIS };
    let writable = std::mem::replace(&mut log.open.lock().head, File::open(dir.path().join("audit/head")).unwrap());
    log.append(b"line\n", &end).unwrap_err();
    assert_eq!((log.end(), fs::read(segment(dir.path())).unwrap().len()), (Link::GENESIS, 0));
    log.open.lock().head = writable;
    log.append(b"line\n", &end).unwrap();
    assert_eq!((log.end(), fs::read(segment(dir.path())).unwrap().len()), (end, 5));
}

#[tokio::test]
async fn a_head_that_is_gone_or_does_not_fit_is_said() {
    let check = async |tamper: fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        host(dir.path(), 2).await;
        tamper(dir.path());
        verified(dir.path()).unwrap_err();
        assert!(host(dir.path(), 1).await.head_lost);
        let (log, _) = open(dir.path());
        let recovered = log.read(&Query { action: Some("audit.recover".to_owned()), ..ALL }).unwrap();
        assert_eq!(recovered[0].entry.detail.as_ref().unwrap()["headLost"], true);
    };
    check(|dir| fs::remove_file(dir.join("audit/head")).unwrap()).await;
    check(|dir| fs::write(dir.join("audit/head"), "bailiwick-audit-head v1 nonsense\n").unwrap()).await;
    check(|dir| {
        let head = SealKey([7; 32]).seal(&Link { seq: 3, ..Link::GENESIS });
        fs::write(dir.join("audit/head"), head).unwrap();
    })
    .await;
}

#[tokio::test]
async fn records_are_read_from_the_last_on_with_all_conditions() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path(), 4).await;
    let (log, _) = open(dir.path());
    let seqs = |query: Query| log.read(&query).unwrap().iter().map(|record| record.seq).collect::<Vec<_>>();
    assert_eq!(seqs(ALL).len(), 9);
    assert_eq!(seqs(Query { limit: 2, ..ALL }), [8, 9]);
    assert_eq!(seqs(Query { action: Some("agent".to_owned()), decision: Some(Decision::Done), ..ALL }).len(), 4);
    assert_eq!(seqs(Query { tenant: Some("globex".parse().unwrap()), ..ALL }), [0_u64; 0]);
    assert_eq!(seqs(Query { action: Some("age".to_owned()), ..ALL }), [0_u64; 0]);
    assert_eq!(seqs(Query { since: Some(Timestamp::from_millis(1_700_000_000_001)), ..ALL }), [0_u64; 0]);
}

#[tokio::test]
async fn a_log_whose_end_is_no_record_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path(), 1).await;
    fs::write(segment(dir.path()), "no record\n").unwrap();
    let refused = AuditFiles::open(&DataDir::open(dir.path()).unwrap(), SealKey([7; 32])).err().unwrap();
    assert!(matches!(refused, LedgerError::Damaged { .. }));
    assert_eq!(fs::read_to_string(segment(dir.path())).unwrap(), "no record\n");
}
