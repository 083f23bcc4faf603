//! What the ledger promises, on a log in memory that can be made to fail.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use host_model::{AgentId, TenantId, Timestamp};

use super::*;
use crate::{Actor, Entry, Link, Sealed, verify};

/// Lines in memory; fails while it is told to.
#[derive(Default)]
struct Lines {
    bytes: Mutex<Vec<u8>>,
    appends: AtomicUsize,
    full: AtomicBool,
    end: Mutex<Option<Link>>,
}

impl AuditLog for Lines {
    fn end(&self) -> Link {
        self.end.lock().unwrap_or(Link::GENESIS)
    }

    fn append(&self, lines: &[u8], end: &Link) -> Result<(), LedgerError> {
        if self.full.load(Ordering::Acquire) {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(LedgerError::File { act: "write", path: "memory".into(), source });
        }
        self.appends.fetch_add(1, Ordering::Relaxed);
        self.bytes.lock().extend_from_slice(lines);
        *self.end.lock() = Some(*end);
        Ok(())
    }

    fn read(&self, query: &Query) -> Result<Vec<Record>, LedgerError> {
        let bytes = self.bytes.lock().clone();
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let records = lines.map(serde_json::from_slice).collect::<Result<Vec<Record>, _>>()?;
        Ok(records.into_iter().filter(|record| query.wants(record)).collect())
    }

    fn verify(&self) -> Result<Result<Summary, Break>, LedgerError> {
        let bytes = self.bytes.lock().clone();
        verify([Ok(("memory".to_owned(), bytes.as_slice()))], Sealed::At(self.end()))
    }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn uptime_millis(&self) -> u64 {
        0
    }
}

fn ledger() -> (Ledger, Arc<Lines>) {
    let log = Arc::new(Lines::default());
    (Ledger::start(log.clone(), Arc::new(Stopped), Found::default()).unwrap(), log)
}

const ALL: Query = Query { tenant: None, since: None, action: None, decision: None, limit: usize::MAX };

/// Every record as `decision action code`.
fn said(log: &Lines) -> Vec<String> {
    let said = |record: Record| {
        let Entry { decision, action, code, .. } = record.entry;
        format!("{} {action} {}", decision.as_str(), code.unwrap_or_default()).trim_end().to_owned()
    };
    log.read(&ALL).unwrap().into_iter().map(said).collect()
}

async fn until(what: impl Fn() -> bool) {
    let within = Duration::from_secs(10);
    let waited = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(within, waited).await.expect("it comes to pass");
}

fn stop() -> Act {
    Act::operator("agent.stop").tenant(&"acme".parse().unwrap()).on(&"echo")
}

#[tokio::test]
async fn an_act_is_on_the_disk_before_it_is_done_and_its_outcome_after() {
    let (ledger, log) = ledger();
    let recorded = ledger.record(stop()).await.unwrap();
    assert_eq!(said(&log), ["done audit.begin", "allowed agent.stop"]);
    recorded.done();
    ledger.record(stop()).await.unwrap().failed("not-found");
    drop(ledger.record(stop()).await.unwrap());
    ledger.close();
    let said = said(&log);
    let expected = [
        "done audit.begin",
        "allowed agent.stop",
        "done agent.stop",
        "allowed agent.stop",
        "failed agent.stop not-found",
        "allowed agent.stop",
        "failed agent.stop abandoned",
    ];
    let mut sorted = said.clone();
    sorted.sort();
    let mut all = expected.map(str::to_owned).to_vec();
    all.sort();
    assert_eq!(sorted, all, "an outcome may stand after the next act: {said:?}");
    for record in log.read(&ALL).unwrap().iter().filter(|record| record.entry.of.is_some()) {
        assert!(record.entry.of.is_some_and(|of| of < record.seq));
    }
    assert_eq!(log.verify().unwrap().unwrap().records, 7);
}

#[tokio::test]
async fn who_goes_away_while_waiting_leaves_an_abandoned_act() {
    let (ledger, log) = ledger();
    let disk_busy = log.bytes.lock();
    let mut asked = Box::pin(ledger.record(stop()));
    assert!(futures_poll(&mut asked).is_none(), "it waits for the disk");
    drop(asked);
    drop(disk_busy);
    until(|| said(&log).len() == 3).await;
    assert_eq!(said(&log), ["done audit.begin", "allowed agent.stop", "failed agent.stop abandoned"]);
}

fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_at_once_share_a_write_and_each_is_recorded() {
    let (ledger, log) = ledger();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let ledger = ledger.clone();
        asked.spawn(async move { ledger.record(stop()).await.unwrap().done() });
    }
    asked.join_all().await;
    ledger.close();
    assert_eq!(log.verify().unwrap().unwrap().records, 2_001);
    assert!(log.appends.load(Ordering::Relaxed) < 2_001, "some were written together");
}

#[tokio::test]
async fn while_it_cannot_be_written_acts_are_refused_and_denials_counted() {
    let (ledger, log) = ledger();
    let open = ledger.record(stop()).await.unwrap();
    log.full.store(true, Ordering::Release);
    assert!(matches!(ledger.record(stop()).await, Err(LedgerError::Unwritable)));
    assert!(!ledger.is_writable());
    open.done();
    let (tenant, agent): (TenantId, AgentId) = ("acme".parse().unwrap(), "echo".parse().unwrap());
    let denial = Denial {
        tenant: Some(&tenant),
        actor: Actor::from(&agent),
        action: "message.publish",
        decision: Decision::Denied,
        code: "hop-limit",
        limit: None,
        actual: None,
        foreign: None,
    };
    (0..5_000).for_each(|_| ledger.denied(&denial));
    assert!(matches!(ledger.record(stop()).await, Err(LedgerError::Unwritable)));

    log.full.store(false, Ordering::Release);
    until(|| ledger.is_writable()).await;
    ledger.record(stop()).await.unwrap().done();
    ledger.close();
    let records = log.read(&ALL).unwrap();
    let denied = records.iter().filter(|record| record.entry.decision == Decision::Denied);
    assert_eq!(denied.map(|record| record.entry.times()).sum::<u64>(), 5_000);
    let said = said(&log);
    assert!(said.contains(&"done audit.resume".to_owned()), "{said:?}");
    assert_eq!(said.iter().filter(|line| *line == "done agent.stop").count(), 2, "no outcome is lost: {said:?}");
    assert!(log.verify().unwrap().is_ok());
}

#[tokio::test]
async fn a_flood_of_denials_is_counted_exactly_in_few_records() {
    let (ledger, log) = ledger();
    let tenant: TenantId = "acme".parse().unwrap();
    let agents: Vec<AgentId> = (0..4).map(|number| format!("agent-{number}").parse().unwrap()).collect();
    std::thread::scope(|scope| {
        for agent in &agents {
            let (ledger, tenant) = (&ledger, &tenant);
            scope.spawn(move || {
                for _ in 0..50_000 {
                    ledger.denied(&Denial {
                        tenant: Some(tenant),
                        actor: Actor::from(agent),
                        action: "message.send",
                        decision: Decision::Denied,
                        code: "mailbox-full",
                        limit: Some(256),
                        actual: Some(257),
                        foreign: None,
                    });
                }
            });
        }
    });
    ledger.close();
    let records = log.read(&Query { action: Some("message".to_owned()), ..ALL }).unwrap();
    assert_eq!(records.iter().map(|record| record.entry.times()).sum::<u64>(), 200_000);
    assert!(records.len() < 200, "{} records", records.len());
    assert!(log.bytes.lock().len() < 64 << 10);
}

#[tokio::test]
async fn what_was_wrong_with_the_log_is_the_first_that_is_written() {
    let log = Arc::new(Lines::default());
    let found = Found { torn_bytes: 17, ..Found::default() };
    let ledger = Ledger::start(log.clone(), Arc::new(Stopped), found).unwrap();
    ledger.close();
    assert_eq!(said(&log), ["done audit.begin", "done audit.recover"]);
    assert!(matches!(ledger.record(stop()).await, Err(LedgerError::Unwritable)), "it is closed");
}
