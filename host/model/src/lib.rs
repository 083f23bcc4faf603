//! The nouns that cross two crates, and nothing else.
//!
//! No async, no I/O, no clock and no randomness of its own: time comes from a [`Clock`], numbers from [`Ids`].

mod caller;
mod card;
mod draft;
mod envelope;
mod extras;
mod grants;
mod id;
mod key;
mod lease;
mod limits;
mod outcome;
mod path;
mod policy;
mod queue;
mod signer;
mod time;
mod topic;
mod web;

pub use caller::{Caller, Incarnation};
pub use card::{Card, CardQuery, Skill};
pub use draft::{Draft, Header, Qos, Target};
pub use envelope::{BadReplyToken, Cause, Destination, Durability, Envelope, MessageId, Producer, Receipt, ReplyToken};
pub use extras::{BadTraceParent, Extension, Extras, TraceParent};
pub use grants::{BadSecretName, Grants, SecretName, SendGrant};
pub use id::{AgentId, BadId, GroupId, LeaseId, TenantId};
pub use key::{BadKey, StateKey};
pub use lease::{Fence, FencingToken, LeaseName, LeaseScope};
pub use limits::{BadLimit, Limits, RunMode};
pub use outcome::{Outcome, TrapCause};
pub use path::{BadPath, FilePath};
pub use policy::{Excess, LimitCaps, Policy, Rule, SecretBinding};
pub use queue::{BadDeathCause, DeathCause, NotShared, Queue};
pub use signer::{BadKeyId, KeyId, Principal};
pub use time::{BadTimestamp, Clock, Ids, Timestamp};
pub use topic::{BadTopic, Topic, TopicPattern};
pub use web::{BadHost, HostPattern, Scheme};
