//! Agents' logs: bounded, inert, with their tenant on every line.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_calls::{LogLevel, LogLine, LogSource};
use host_model::{AgentId, Caller, Clock, Header, TenantId, Timestamp};
use host_quota::Rate;
use parking_lot::RwLock;
use tokio::sync::broadcast;

/// The longest message kept, in bytes.
const MESSAGE_LEN_MAX: usize = 8 << 10;
/// The most fields kept.
const FIELDS_MAX: usize = 16;
/// The longest field's name and value kept, in bytes.
const FIELD_LEN_MAX: usize = 1 << 10;
/// What is kept of one agent's log, in records and in bytes.
const RECORDS_MAX: usize = 1_000;
const RECORDS_BYTES_MAX: usize = 1 << 20;
/// Lines one agent may write in a second; what is over is counted and left out.
const LINES_PER_SECOND_MAX: u32 = 500;
/// Records a slow follower may lag behind before it misses some.
const FOLLOWER_LAG_MAX: usize = 1_024;

/// One kept line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was written.
    pub at: Timestamp,
    /// How loud.
    pub level: LogLevel,
    /// Where it came from.
    pub source: LogSource,
    /// Bounded and inert.
    pub message: String,
    /// Bounded and inert.
    pub fields: Vec<Header>,
    /// Lines left out just before this one, because there were too many.
    pub left_out: u64,
}

/// Which lines are wanted. All given conditions must hold.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// At least this loud.
    pub level: Option<LogLevel>,
    /// From this source.
    pub source: Option<LogSource>,
    /// With this text in the message.
    pub contains: Option<String>,
    /// The last so many.
    pub limit: usize,
}

impl LogQuery {
    /// Whether a line is wanted.
    pub fn wants(&self, record: &LogRecord) -> bool {
        self.since.is_none_or(|since| record.at >= since)
            && self.level.is_none_or(|level| record.level >= level)
            && self.source.is_none_or(|source| record.source == source)
            && self.contains.as_ref().is_none_or(|text| record.message.contains(text))
    }
}

/// The logs of all agents of this host: the last lines of each, in memory.
pub struct LogBook {
    clock: Arc<dyn Clock>,
    agents: RwLock<HashMap<(TenantId, AgentId), Arc<AgentLog>, RandomState>>,
}

struct AgentLog {
    rate: Rate,
    kept: parking_lot::Mutex<Kept>,
    follow: broadcast::Sender<Arc<LogRecord>>,
}

#[derive(Default)]
struct Kept {
    records: VecDeque<Arc<LogRecord>>,
    bytes: usize,
}

impl LogBook {
    /// An empty book.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, agents: RwLock::default() }
    }

    /// Writes a line of an agent, or of the host about it.
    pub fn write(&self, caller: &Caller, line: &LogLine) {
        let log = self.agent(caller.tenant(), caller.agent());
        let now = self.clock.now();
        // The host's own words about an agent are few and must not drown in the agent's.
        if line.source != LogSource::Host && log.rate.take(now.as_millis(), 1).is_err() {
            return;
        }
        let record = Arc::new(inert_record(line, now, log.rate.take_refused()));
        emit(caller, &record);
        log.keep(record);
    }

    /// Counts a line as left out: its tenant has logged too much in this second.
    pub(crate) fn leave_out(&self, caller: &Caller) {
        self.agent(caller.tenant(), caller.agent()).rate.refuse();
    }

    /// The last lines that match, oldest first.
    pub fn read(&self, tenant: &TenantId, agent: &AgentId, query: &LogQuery) -> Vec<Arc<LogRecord>> {
        let Some(log) = self.agents.read().get(&(tenant.clone(), agent.clone())).cloned() else { return Vec::new() };
        let kept = log.kept.lock();
        let mut wanted: Vec<_> =
            kept.records.iter().rev().filter(|record| query.wants(record)).take(query.limit).cloned().collect();
        wanted.reverse();
        wanted
    }

    /// Lines that match from now on.
    pub fn follow(&self, tenant: &TenantId, agent: &AgentId, query: LogQuery) -> LogStream {
        LogStream { records: self.agent(tenant, agent).follow.subscribe(), query }
    }

    /// Forgets an agent's log.
    pub fn forget(&self, tenant: &TenantId, agent: &AgentId) {
        self.agents.write().remove(&(tenant.clone(), agent.clone()));
    }

    fn agent(&self, tenant: &TenantId, agent: &AgentId) -> Arc<AgentLog> {
        let key = (tenant.clone(), agent.clone());
        if let Some(log) = self.agents.read().get(&key) {
            return log.clone();
        }
        self.agents.write().entry(key).or_insert_with(AgentLog::new).clone()
    }
}

impl AgentLog {
    fn new() -> Arc<Self> {
        let follow = broadcast::Sender::new(FOLLOWER_LAG_MAX);
        Arc::new(Self {
            rate: Rate::per_second(LINES_PER_SECOND_MAX.into()),
            kept: parking_lot::Mutex::default(),
            follow,
        })
    }

    fn keep(&self, record: Arc<LogRecord>) {
        let mut kept = self.kept.lock();
        kept.bytes += record.bytes();
        kept.records.push_back(record.clone());
        while kept.records.len() > RECORDS_MAX || kept.bytes > RECORDS_BYTES_MAX {
            let Some(oldest) = kept.records.pop_front() else { break };
            kept.bytes -= oldest.bytes();
        }
        drop(kept);
        // Nobody may be following.
        let _ = self.follow.send(record);
    }
}

impl LogRecord {
    fn bytes(&self) -> usize {
        self.message.len() + self.fields.iter().map(|field| field.name.len() + field.value.len()).sum::<usize>()
    }
}

/// Lines as they are written.
pub struct LogStream {
    records: broadcast::Receiver<Arc<LogRecord>>,
    query: LogQuery,
}

impl LogStream {
    /// The next line that matches; `None` when the agent is gone. Lines that were missed are left out.
    pub async fn next(&mut self) -> Option<Arc<LogRecord>> {
        loop {
            match self.records.recv().await {
                Ok(record) if self.query.wants(&record) => return Some(record),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

fn inert_record(line: &LogLine, at: Timestamp, left_out: u64) -> LogRecord {
    let inert_field = |field: &Header| Header {
        name: host_calls::inert(&field.name, FIELD_LEN_MAX),
        value: host_calls::inert(&field.value, FIELD_LEN_MAX),
    };
    LogRecord {
        at,
        level: line.level,
        source: line.source,
        message: host_calls::inert(&line.message, MESSAGE_LEN_MAX),
        fields: line.fields.iter().take(FIELDS_MAX).map(inert_field).collect(),
        left_out,
    }
}

/// The line in the host's own log, beside everything else that happened.
fn emit(caller: &Caller, record: &LogRecord) {
    let (tenant, agent, source, message) = (caller.tenant(), caller.agent(), record.source, &record.message);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(target: "agent", %tenant, %agent, ?source, left_out = record.left_out, "{message}")
        };
    }
    match record.level {
        LogLevel::Trace => line!(trace),
        LogLevel::Debug => line!(debug),
        LogLevel::Info => line!(info),
        LogLevel::Warn => line!(warn),
        LogLevel::Error => line!(error),
    }
}

#[cfg(test)]
mod tests;
