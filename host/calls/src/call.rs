//! The calls, their answers, and the trait that takes them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use host_model::{AgentId, Caller, Card, CardQuery, Cause, Draft, Envelope, Header, Queue, Receipt};
use serde::{Deserialize, Serialize};

use crate::{HttpCall, HttpReply, LeaseCall, LeaseReply, Refusal, StateCall, StateReply, StorageCall, StorageReply};

/// Which call this is: the same id twice is the same call, asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// The run of a guest it was made in: one message, start, stop or command. Unique on this host.
    pub run: u64,
    /// Counts the calls of that run from 1.
    pub ordinal: u32,
}

/// What surrounds a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Context {
    /// Which call this is.
    pub id: CallId,
    /// What is left of the run's deadline; no answer is awaited for longer.
    pub remaining: Duration,
    /// The message being handled, whose chain of causes the call continues.
    pub cause: Option<Cause>,
}

/// One item of a batch: an unparsed topic or agent id, and what to send there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchItem {
    /// As [`HostCall::Publish`].
    Topic(String, Draft),
    /// As [`HostCall::Send`].
    Agent(String, Draft),
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For authors.
    Debug,
    /// Normal events.
    Info,
    /// Something is off.
    Warn,
    /// Something failed.
    Error,
}

/// Where a log line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogSource {
    /// `bailiwick:agent/log`.
    Log,
    /// `wasi:cli/stdout`.
    Stdout,
    /// `wasi:cli/stderr`.
    Stderr,
    /// The host, about the agent.
    Host,
}

/// One line of an agent's log, as the guest wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// Where from.
    pub source: LogSource,
    /// Guest text: hostile until it has been bounded and escaped.
    pub message: String,
    /// Guest data: hostile until it has been bounded and escaped.
    pub fields: Vec<Header>,
}

/// What an agent can ask of the host. All guest text is unparsed: the far side does not trust this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostCall {
    /// Send to all who subscribe.
    Publish {
        /// The topic as the guest wrote it.
        topic: String,
        /// What to send.
        draft: Draft,
    },
    /// Send to one agent.
    Send {
        /// The agent id as the guest wrote it.
        agent: String,
        /// What to send.
        draft: Draft,
    },
    /// Send to one agent and wait for its answer.
    Request {
        /// The agent id as the guest wrote it.
        agent: String,
        /// What to send.
        draft: Draft,
        /// The longest wait, in milliseconds.
        deadline_ms: u32,
    },
    /// Several at once.
    Batch(Vec<BatchItem>),
    /// Write a log line.
    Log(LogLine),
    /// Find peers.
    Find(CardQuery),
    /// One peer's card.
    Card(String),
    /// Another host, over HTTP.
    Http(HttpCall),
    /// Its keys and values.
    State(StateCall),
    /// Its files.
    Storage(StorageCall),
    /// The leases of its group.
    Lease(LeaseCall),
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostReply {
    /// To publish and send.
    Sent(Receipt),
    /// To request.
    Answered(Box<Envelope>),
    /// To batch: one for each item, in order.
    Batch(Vec<Result<Receipt, Refusal>>),
    /// To log.
    Logged,
    /// To find.
    Found(Vec<Arc<Card>>),
    /// To card.
    Card(Option<Arc<Card>>),
    /// To HTTP.
    Http(HttpReply),
    /// To state.
    State(StateReply),
    /// To storage.
    Storage(StorageReply),
    /// To a call about a lease.
    Lease(LeaseReply),
}

/// An answer that is there, or one that is on its way. Dropping the latter cancels the wait; the effect may have happened.
pub enum Answer {
    /// It is there. What stays in memory always is, so that no task is woken for it.
    Now(Result<HostReply, Refusal>),
    /// It is on its way.
    Later(Pin<Box<dyn Future<Output = Result<HostReply, Refusal>> + Send>>),
}

/// Takes the calls of agents.
pub trait HostCalls: Send + Sync {
    /// Does what `caller` asks. Never blocks the thread: what must wait returns [`Answer::Later`].
    fn call(&self, caller: &Arc<Caller>, context: Context, call: HostCall) -> Answer;
}

/// Unparsed guest text that names an agent which cannot exist is the same to a caller as an agent that does not.
impl HostCall {
    /// The agent a guest names, if the text can name one.
    pub fn agent_id(raw: &str) -> Result<AgentId, Refusal> {
        raw.parse().map_err(|_| Refusal::NotFound)
    }

    /// The queue a guest names, if the text can name one.
    pub fn queue(raw: &str) -> Result<Queue, Refusal> {
        raw.parse().map_err(|_| Refusal::NotFound)
    }
}
