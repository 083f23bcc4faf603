//! All that an agent may ask of the world.

use std::time::Duration;

use crate::{Card, Denied, Draft, Leases, Message, Query, State, Storage, Target};

/// The host, as an agent sees it. In a component each method is one imported function; in a test it is a
/// [`Double`](crate::double::Double).
///
/// Every call costs fuel: 1,000 units, one more for each byte that crosses, in either direction, and 64 for each header or field;
/// sending and discovery cost 4,000 instead of 1,000, and [`State`], [`Storage`] and [`Leases`] name their own prices. A spent budget is a trap,
/// not a refusal.
pub trait Host {
    /// Sends to all who subscribe to `topic` in your tenant. A topic nobody listens to takes messages too.
    fn publish(&self, topic: &str, draft: Draft) -> Result<Receipt, Denied>;

    /// Sends to one agent's own queue, without waiting for it.
    fn send(&self, agent: &str, draft: Draft) -> Result<Receipt, Denied>;

    /// Asks one agent and waits for its answer, for at most `deadline` in whole milliseconds, and never past your own deadline.
    /// Waiting costs no fuel. A question without a correlation id carries its own message id.
    fn request(&self, agent: &str, draft: Draft, deadline: Duration) -> Result<Message, Denied>;

    /// Sends up to 256 drafts at once; each gets its own answer, in order. One refusal does not stop the others.
    fn batch(&self, items: Vec<(Target, Draft)>) -> Vec<Result<Receipt, Denied>>;

    /// Writes one record to the agent's log. A message is cut past 8 KiB; of the fields at most 16 are kept.
    /// [`info!`](crate::info) and its sisters format the message.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// One setting of the manifest's `[config]` table: text as it stands, everything else as JSON.
    fn setting(&self, name: &str) -> Option<String>;

    /// All settings, by name in ascending order.
    fn settings(&self) -> Vec<(String, String)>;

    /// Your tenant's id.
    fn tenant_id(&self) -> String;

    /// Your agent id.
    fn agent_id(&self) -> String;

    /// Your display name.
    fn agent_name(&self) -> String;

    /// Your version, from the manifest.
    fn version(&self) -> String;

    /// Running agents of your tenant that match, by id in ascending order, at most 100.
    fn find(&self, query: &Query) -> Vec<Card>;

    /// One agent's card, if it is running in your tenant.
    fn card(&self, agent: &str) -> Option<Card>;

    /// Your keys and values; needs `[grants] state = true`.
    fn state(&self) -> impl State;

    /// Your files; needs `[grants] storage = true`.
    fn storage(&self) -> impl Storage;

    /// The leases of your group; needs `[grants] leases = true`.
    fn leases(&self) -> impl Leases;

    /// The first agent that matches.
    fn find_first(&self, query: &Query) -> Option<Card> {
        self.find(query).into_iter().next()
    }
}

/// The host took the message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
    /// The id that the receiver will see.
    pub id: String,
    /// What this acknowledgement promises: `volatile`, `durable` or `replicated`.
    pub durability: String,
}

/// How loud a log record is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the author.
    Debug,
    /// What happened.
    Info,
    /// What may need a look.
    Warn,
    /// What went wrong.
    Error,
}
