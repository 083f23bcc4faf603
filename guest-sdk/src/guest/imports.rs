//! The host, by way of the component's imports.

use std::time::Duration;

use super::{
    bindings::inbox::bailiwick::{
        agent::{identity, log, messaging, settings, types as wit},
        discovery::registry,
    },
    convert::{each, saturating_ms},
    kept::Kept,
};
use crate::{Card, Denied, Draft, Host, Leases, Level, Message, Query, Receipt, State, Storage, Target};

/// Carries each call to the import of the same name.
pub(super) struct Imports;

impl Host for Imports {
    fn publish(&self, topic: &str, draft: Draft) -> Result<Receipt, Denied> {
        receipt(messaging::publish(topic, &draft.into()))
    }

    fn send(&self, agent: &str, draft: Draft) -> Result<Receipt, Denied> {
        receipt(messaging::send(agent, &draft.into()))
    }

    fn request(&self, agent: &str, draft: Draft, deadline: Duration) -> Result<Message, Denied> {
        let answer = messaging::request(agent, &draft.into(), saturating_ms(deadline))?;
        Ok(answer.into())
    }

    fn batch(&self, items: Vec<(Target, Draft)>) -> Vec<Result<Receipt, Denied>> {
        let items: Vec<_> = items.into_iter().map(|(target, draft)| (target.into(), draft.into())).collect();
        messaging::batch(&items).into_iter().map(receipt).collect()
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let field = |&(name, value): &(&str, &str)| wit::Header { name: name.to_owned(), value: value.to_owned() };
        log::write(level.into(), message, &fields.iter().map(field).collect::<Vec<_>>());
    }

    fn setting(&self, name: &str) -> Option<String> {
        settings::get(name)
    }

    fn settings(&self) -> Vec<(String, String)> {
        settings::all()
    }

    fn tenant_id(&self) -> String {
        identity::tenant_id()
    }

    fn agent_id(&self) -> String {
        identity::agent_id()
    }

    fn agent_name(&self) -> String {
        identity::agent_name()
    }

    fn version(&self) -> String {
        identity::version()
    }

    fn find(&self, query: &Query) -> Vec<Card> {
        each(registry::find(&query.into()))
    }

    fn card(&self, agent: &str) -> Option<Card> {
        registry::get(agent).map(Card::from)
    }

    fn state(&self) -> impl State {
        Kept
    }

    fn storage(&self) -> impl Storage {
        Kept
    }

    fn leases(&self) -> impl Leases {
        Kept
    }
}

fn receipt(answer: Result<wit::Receipt, wit::Denied>) -> Result<Receipt, Denied> {
    Ok(answer?.into())
}
