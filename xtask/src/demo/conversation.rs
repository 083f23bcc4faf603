//! What was heard in each tenant's stream, and what should not have been.

use std::collections::BTreeMap;

use super::message::{Colour, Message};
use super::{BUSY, QUIET};
use crate::env;

/// Counts messages by stream and type while they are shown.
pub(crate) struct Conversation {
    counts: BTreeMap<(&'static str, String), usize>,
    foreign: BTreeMap<&'static str, usize>,
    coloured: bool,
}

impl Conversation {
    /// Nothing heard yet.
    pub(crate) fn new() -> Self {
        Self { counts: BTreeMap::new(), foreign: BTreeMap::new(), coloured: env::colour_wanted() }
    }

    /// Counts a message and gives back the line that shows it.
    pub(crate) fn take(&mut self, stream: &'static str, message: Message) -> String {
        let line = message.line(self.colour(stream));
        if is_foreign(stream, &message) {
            *self.foreign.entry(stream).or_default() += 1;
        }
        *self.counts.entry((stream, message.kind)).or_default() += 1;
        line
    }

    /// Messages of one type in one tenant's stream.
    pub(crate) fn count(&self, stream: &'static str, kind: &str) -> usize {
        self.counts.get(&(stream, kind.to_owned())).copied().unwrap_or(0)
    }

    /// Messages in one tenant's stream.
    pub(crate) fn heard(&self, stream: &'static str) -> usize {
        self.counts.iter().filter(|((of, _), _)| *of == stream).map(|(_, count)| count).sum()
    }

    /// Messages in one tenant's stream that are another's.
    pub(crate) fn foreign(&self, stream: &'static str) -> usize {
        self.foreign.get(stream).copied().unwrap_or(0)
    }

    fn colour(&self, stream: &'static str) -> Option<Colour> {
        self.coloured.then_some(if stream == BUSY { Colour::Cyan } else { Colour::Magenta })
    }
}

/// By the stamp, and also by the story: nobody had an incident in the quiet tenant, so one there was let through and restamped.
fn is_foreign(stream: &str, message: &Message) -> bool {
    message.tenant_id != stream || (stream == QUIET && message.kind.starts_with("incident."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tenant: &str, kind: &str) -> Message {
        serde_json::from_value(serde_json::json!({
            "tenantId": tenant, "agentId": "a", "messageType": kind, "destination": "t", "timestamp": "",
        }))
        .unwrap()
    }

    #[test]
    fn a_foreign_message_is_known_by_its_stamp_or_by_its_story() {
        let mut heard = Conversation::new();
        heard.take(QUIET, message(QUIET, "demo.probe"));
        assert_eq!(heard.foreign(QUIET), 0);
        heard.take(QUIET, message(BUSY, "demo.probe"));
        assert_eq!(heard.foreign(QUIET), 1);
        heard.take(QUIET, message(QUIET, "incident.created"));
        assert_eq!(heard.foreign(QUIET), 2);
        assert_eq!((heard.heard(QUIET), heard.count(QUIET, "demo.probe"), heard.heard(BUSY)), (3, 2, 0));
    }
}
