//! Sending for whoever is outside: until the log of messages is wired in, everything is carried as it was before.

use std::sync::Arc;

use host_calls::{Refusal, RefusalNumbers};
use host_model::{Draft, Receipt};

use crate::{Courier, Party};

/// Where a post goes, as somebody outside wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostTarget {
    /// All who subscribe to a topic.
    Topic(String),
    /// One agent.
    Agent(String),
}

/// What somebody outside sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub target: PostTarget,
    /// What.
    pub draft: Draft,
    /// The same key of the same sender is the same message.
    pub key: Option<String>,
}

impl Courier {
    /// Sends for somebody outside.
    pub async fn post(&self, party: &Arc<Party>, post: Post) -> Result<Receipt, Refusal> {
        let Post { target, mut draft, key } = post;
        if key.is_some() {
            return Err(Refusal::Unavailable(RefusalNumbers::of("durable")));
        }
        draft.options.clear();
        match target {
            PostTarget::Topic(topic) => self.publish(party, &topic, draft, None),
            PostTarget::Agent(agent) => self.send(party, &agent, draft, None),
        }
    }
}
