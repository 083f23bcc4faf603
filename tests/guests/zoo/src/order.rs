//! Behaviours that call the host as they are told: the body of the message says what to send and where to.

use std::time::Duration;

use bailiwick_sdk::{Draft, Failure, Header, Host, Message, PayloadError, Query, Target};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::report;

/// One draft to send, word by word: nothing is checked here, for refusing is the host's task.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    topic: Option<String>,
    agent: Option<String>,
    #[serde(rename = "type", default = "default_type")]
    message_type: String,
    #[serde(default = "default_content_type")]
    content_type: String,
    /// The body, as JSON.
    #[serde(default)]
    payload: Value,
    /// Instead of `payload`: so many bytes of `x`.
    size: Option<usize>,
    correlation_id: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    options: Vec<(String, String)>,
    #[serde(default = "default_deadline_ms")]
    deadline_ms: u32,
}

/// What to look for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    skill: Option<String>,
    tag: Option<String>,
    pattern: Option<String>,
    capability: Option<String>,
}

fn default_type() -> String {
    "zoo.said".to_owned()
}

fn default_content_type() -> String {
    bailiwick_sdk::JSON.to_owned()
}

fn default_deadline_ms() -> u32 {
    1000
}

impl Order {
    fn draft(&self) -> Result<Draft, PayloadError> {
        let body = match self.size {
            Some(size) => vec![b'x'; size],
            None => Draft::json("", &self.payload)?.payload,
        };
        Ok(Draft {
            correlation_id: self.correlation_id.clone(),
            headers: headers(&self.headers),
            options: headers(&self.options),
            ..Draft::new(&self.message_type, &self.content_type, body)
        })
    }

    fn topic(&self) -> Result<&str, Failure> {
        self.topic.as_deref().ok_or_else(|| Failure::reject("order without topic"))
    }

    fn agent(&self) -> Result<&str, Failure> {
        self.agent.as_deref().ok_or_else(|| Failure::reject("order without agent"))
    }

    fn target(&self) -> Result<Target, Failure> {
        match &self.agent {
            Some(agent) => Ok(Target::agent(agent)),
            None => Ok(Target::topic(self.topic()?)),
        }
    }
}

fn headers(pairs: &[(String, String)]) -> Vec<Header> {
    pairs.iter().map(|(name, value)| Header::new(name, value)).collect()
}

pub(crate) fn publish(host: &impl Host, order: &Order) -> Result<Value, Failure> {
    Ok(report::receipt(&host.publish(order.topic()?, order.draft()?)))
}

pub(crate) fn send(host: &impl Host, order: &Order) -> Result<Value, Failure> {
    Ok(report::receipt(&host.send(order.agent()?, order.draft()?)))
}

pub(crate) fn request(host: &impl Host, order: &Order) -> Result<Value, Failure> {
    let deadline = Duration::from_millis(order.deadline_ms.into());
    Ok(report::answer(&host.request(order.agent()?, order.draft()?, deadline)))
}

pub(crate) fn batch(host: &impl Host, orders: &[Order]) -> Result<Value, Failure> {
    let item = |order: &Order| Ok((order.target()?, order.draft()?));
    let items = orders.iter().map(item).collect::<Result<Vec<_>, Failure>>()?;
    Ok(host.batch(items).iter().map(report::receipt).collect())
}

/// Publishes what it was sent on `zoo.in`, where it listens itself: without a hop limit this never ends.
pub(crate) fn publish_again(host: &impl Host, message: Message) -> Value {
    let draft = Draft::new(message.message_type, message.content_type, message.payload);
    report::receipt(&host.publish("zoo.in", draft))
}

pub(crate) fn find(host: &impl Host, search: Search) -> Value {
    let Search { skill, tag, pattern, capability } = search;
    let cards = host.find(&Query { skill, tag, pattern, capability });
    json!(cards.iter().map(report::card).collect::<Vec<_>>())
}
