//! A stand-in for the host, so that an agent is tested where it is written.
//!
//! It grants everything, delivers nothing by itself, and remembers what the agent did. What the agent is told (cards, settings,
//! answers, refusals) is scripted first:
//!
//! ```
//! use std::time::Duration;
//! use bailiwick_sdk::{Draft, Host, Query, double::{self, Double}};
//!
//! let host = Double::default()
//!     .with_card(double::card("librarian", &["find_book"]))
//!     .answering("librarian", |question| Ok(Draft::text("book.found", question.text().unwrap_or_default())));
//!
//! let peer = host.find_first(&Query::skill("find_book")).expect("scripted above");
//! let answer = host.request(&peer.id, Draft::text("book.find", "Emma"), Duration::from_secs(1));
//! assert_eq!(answer.expect("scripted above").payload, b"Emma");
//! assert_eq!(host.asked("librarian").len(), 1);
//! ```

mod leases;
mod state;
mod storage;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    Agent, Card, Denied, Draft, Header, Host, Leases, Level, Message, Outcome, Query, Receipt, Skill, State, Storage,
    Target, agent,
};

/// A host that grants everything and remembers. The agent under test is `agent` of tenant `tenant`, version `0.0.0`.
#[derive(Default)]
pub struct Double {
    cards: BTreeMap<String, Card>,
    capabilities: BTreeSet<(String, String)>,
    settings: BTreeMap<String, String>,
    answers: BTreeMap<String, Answer>,
    refusals: BTreeMap<Target, Denied>,
    sent: RefCell<Vec<Sent>>,
    logged: RefCell<Vec<Record>>,
    state: state::MemoryState,
    storage: storage::MemoryStorage,
    leases: leases::MemoryLeases,
}

type Answer = Box<dyn Fn(&Message) -> Result<Draft, Denied>>;

/// One draft that the agent sent and the double took.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// Where to.
    pub target: Target,
    /// What.
    pub draft: Draft,
    /// How long the agent was ready to wait for an answer; `None` where it asked for none.
    pub deadline: Option<Duration>,
}

/// One log record that the agent wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// How loud.
    pub level: Level,
    /// The text.
    pub message: String,
    /// The fields, in the order given.
    pub fields: Vec<Header>,
}

/// A message that was published on `topic` by the agent `sender`.
pub fn event(topic: &str, draft: Draft) -> Message {
    Message { destination: topic.to_owned(), ..message("sender", draft) }
}

/// A message whose sender, the agent `sender`, waits for an answer. Without a correlation id it carries its own id.
pub fn question(draft: Draft) -> Message {
    let message = message("sender", draft);
    Message {
        destination: "queues.agent".to_owned(),
        correlation_id: message.correlation_id.or_else(|| Some(message.id.clone())),
        attributes: vec![Header::new("reply-expected", "true")],
        ..message
    }
}

/// The card of an agent with skills of these ids.
pub fn card(id: &str, skills: &[&str]) -> Card {
    let skill = |id: &&str| Skill { id: (*id).to_owned(), name: (*id).to_owned(), ..Skill::default() };
    Card { id: id.to_owned(), name: id.to_owned(), skills: skills.iter().map(skill).collect(), ..Card::default() }
}

/// What the host would make of a draft: stamped, at the first attempt.
fn message(sender: &str, draft: Draft) -> Message {
    Message {
        id: "00000000-0000-7000-8000-000000000000".to_owned(),
        sender: sender.to_owned(),
        message_type: draft.message_type,
        content_type: draft.content_type,
        payload: draft.payload,
        correlation_id: draft.correlation_id,
        headers: draft.headers,
        attempt: 1,
        ..Message::default()
    }
}

impl Double {
    /// Lets the agent discover this peer.
    #[must_use]
    pub fn with_card(mut self, card: Card) -> Self {
        self.cards.insert(card.id.clone(), card);
        self
    }

    /// Lets the peer `agent` be found by a capability, which its card does not show.
    #[must_use]
    pub fn with_capability(mut self, agent: &str, capability: &str) -> Self {
        self.capabilities.insert((agent.to_owned(), capability.to_owned()));
        self
    }

    /// Sets a setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives another agent a lease, for as long as the double lives.
    #[must_use]
    pub fn with_lease_of(self, name: &str, holder: &str) -> Self {
        self.leases.taken(name, holder);
        self
    }

    /// Answers every request to `agent`. Requests to an agent without an answer are [`Denied::NotFound`].
    #[must_use]
    pub fn answering(mut self, agent: &str, answer: impl Fn(&Message) -> Result<Draft, Denied> + 'static) -> Self {
        self.answers.insert(agent.to_owned(), Box::new(answer));
        self
    }

    /// Refuses whatever is sent to `target`, requests included.
    #[must_use]
    pub fn refusing(mut self, target: Target, denied: Denied) -> Self {
        self.refusals.insert(target, denied);
        self
    }

    /// Lets the agent handle a message, as the component would.
    pub fn deliver(&self, agent: &mut impl Agent, message: Message) -> Outcome {
        agent::deliver(agent, self, message)
    }

    /// Drafts published on `topic`, in order.
    pub fn published(&self, topic: &str) -> Vec<Draft> {
        self.drafts(|sent| sent.target == Target::topic(topic))
    }

    /// Drafts sent to `agent` without asking for an answer, in order.
    pub fn sent_to(&self, agent: &str) -> Vec<Draft> {
        self.drafts(|sent| sent.target == Target::agent(agent) && sent.deadline.is_none())
    }

    /// Questions put to `agent`, in order.
    pub fn asked(&self, agent: &str) -> Vec<Draft> {
        self.drafts(|sent| sent.target == Target::agent(agent) && sent.deadline.is_some())
    }

    /// Everything the agent sent, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    /// Everything the agent logged, in order.
    pub fn logged(&self) -> Vec<Record> {
        self.logged.borrow().clone()
    }

    /// How long a key of the agent's state was to live, if it is there and not there for ever. No time passes in a double.
    pub fn ttl(&self, key: &str) -> Option<Duration> {
        self.state.ttl(key)
    }

    fn drafts(&self, wanted: impl Fn(&Sent) -> bool) -> Vec<Draft> {
        self.sent.borrow().iter().filter(|sent| wanted(sent)).map(|sent| sent.draft.clone()).collect()
    }

    /// Keeps what is not refused.
    fn take(&self, target: Target, draft: Draft, deadline: Option<Duration>) -> Result<Receipt, Denied> {
        if let Some(denied) = self.refusals.get(&target) {
            return Err(denied.clone());
        }
        let mut sent = self.sent.borrow_mut();
        sent.push(Sent { target, draft, deadline });
        Ok(Receipt { id: format!("message-{}", sent.len()), durability: "volatile".to_owned() })
    }

    fn matches(&self, card: &Card, query: &Query) -> bool {
        let Query { skill, tag, pattern, capability } = query;
        given(skill.as_ref(), |id| card.skills.iter().any(|skill| skill.id == id))
            && given(tag.as_ref(), |tag| card.skills.iter().any(|skill| skill.tags.iter().any(|own| own == tag)))
            && given(pattern.as_ref(), |pattern| {
                [&card.id, &card.name, &card.description].iter().any(|text| contains(text, pattern))
            })
            && given(capability.as_ref(), |name| self.capabilities.contains(&(card.id.clone(), name.to_owned())))
    }
}

/// Whether a condition holds or was not given.
fn given(condition: Option<&String>, holds: impl Fn(&str) -> bool) -> bool {
    condition.is_none_or(|wanted| holds(wanted))
}

/// Whether the pieces of `pattern` between its stars occur in `text` one after another, without regard to case.
fn contains(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let after = |rest: &'_ str, piece: &str| rest.find(piece).map(|at| at + piece.len());
    let mut from = 0;
    pattern.split('*').all(|piece| {
        let end = text.get(from..).and_then(|rest| after(rest, piece));
        from += end.unwrap_or_default();
        end.is_some()
    })
}

impl Host for Double {
    fn publish(&self, topic: &str, draft: Draft) -> Result<Receipt, Denied> {
        self.take(Target::topic(topic), draft, None)
    }

    fn send(&self, agent: &str, draft: Draft) -> Result<Receipt, Denied> {
        self.take(Target::agent(agent), draft, None)
    }

    fn request(&self, agent: &str, draft: Draft, deadline: Duration) -> Result<Message, Denied> {
        self.take(Target::agent(agent), draft.clone(), Some(deadline))?;
        let answer = self.answers.get(agent).ok_or(Denied::NotFound)?;
        let asked = question(draft);
        let reply = answer(&asked)?.correlated(asked.correlation_id);
        Ok(message(agent, reply))
    }

    fn batch(&self, items: Vec<(Target, Draft)>) -> Vec<Result<Receipt, Denied>> {
        items.into_iter().map(|(target, draft)| self.take(target, draft, None)).collect()
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|&(name, value)| Header::new(name, value)).collect();
        self.logged.borrow_mut().push(Record { level, message: message.to_owned(), fields });
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    fn settings(&self) -> Vec<(String, String)> {
        self.settings.clone().into_iter().collect()
    }

    fn tenant_id(&self) -> String {
        "tenant".to_owned()
    }

    fn agent_id(&self) -> String {
        "agent".to_owned()
    }

    fn agent_name(&self) -> String {
        "Agent".to_owned()
    }

    fn version(&self) -> String {
        "0.0.0".to_owned()
    }

    fn find(&self, query: &Query) -> Vec<Card> {
        self.cards.values().filter(|card| self.matches(card, query)).cloned().collect()
    }

    fn card(&self, agent: &str) -> Option<Card> {
        self.cards.get(agent).cloned()
    }

    fn state(&self) -> impl State {
        &self.state
    }

    fn storage(&self) -> impl Storage {
        &self.storage
    }

    fn leases(&self) -> impl Leases {
        &self.leases
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    /// Answers with what it was told.
    #[derive(Default)]
    struct Parrot;

    impl Agent for Parrot {
        fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
            crate::info!(host, "heard {} bytes", message.payload.len());
            Ok(Some(Draft::new("parrot.said", message.content_type, message.payload)))
        }
    }

    #[test]
    fn an_answer_carries_its_questions_correlation_id() {
        let asked = question(Draft::text("parrot.say", "hello").correlation_id("q-1"));
        let answer =
            Double::default().deliver(&mut Parrot, asked).expect("parrots do not fail").expect("parrots answer");
        assert_eq!((answer.correlation_id.as_deref(), answer.payload.as_slice()), (Some("q-1"), b"hello".as_slice()));
    }

    #[test]
    fn a_question_without_a_correlation_id_carries_its_own_id() {
        let asked = question(Draft::text("parrot.say", "hello"));
        assert_eq!(asked.correlation_id.as_ref(), Some(&asked.id));
    }

    #[test]
    fn what_the_agent_logs_is_remembered() {
        let host = Double::default();
        host.deliver(&mut Parrot, event("loud", Draft::text("noise", "hi"))).expect("parrots do not fail");
        assert_eq!(host.logged(), [Record { level: Level::Info, message: "heard 2 bytes".to_owned(), fields: vec![] }]);
    }

    #[test]
    fn a_refused_target_takes_nothing() {
        let denied = Denied::Backpressure(Refusal::new("mailbox-full"));
        let host = Double::default().refusing(Target::topic("full"), denied.clone());
        let items = vec![(Target::topic("full"), Draft::text("a", "")), (Target::topic("free"), Draft::text("b", ""))];
        let answers = host.batch(items);
        assert_eq!(answers.first(), Some(&Err(denied)));
        assert_eq!((host.published("full").len(), host.published("free").len()), (0, 1));
    }

    #[test]
    fn a_request_to_nobody_is_not_found_and_was_asked() {
        let host = Double::default();
        let answer = host.request("ghost", Draft::text("boo", ""), Duration::from_millis(1));
        assert_eq!(answer, Err(Denied::NotFound));
        assert_eq!(host.asked("ghost").len(), 1);
        assert!(host.sent_to("ghost").is_empty());
    }

    #[test]
    fn discovery_needs_every_given_condition() {
        let host = Double::default()
            .with_card(card("clerk", &["sell"]))
            .with_card(card("porter", &["carry"]))
            .with_capability("porter", "lifting");
        let check = |query: Query, ids: &[&str]| {
            let found: Vec<_> = host.find(&query).into_iter().map(|card| card.id).collect();
            assert_eq!(found, ids, "{query:?}");
        };
        check(Query::default(), &["clerk", "porter"]);
        check(Query::skill("sell"), &["clerk"]);
        check(Query::capability("lifting"), &["porter"]);
        check(Query { skill: Some("sell".into()), ..Query::capability("lifting") }, &[]);
        check(Query::pattern("POR*er"), &["porter"]);
        check(Query::pattern("e*p"), &[]);
        check(Query::tag("any"), &[]);
    }
}
