//! The summary: what each tenant's agents did, and whether the quiet tenant saw anything of the busy one.

use std::fmt;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::client::Client;
use super::conversation::Conversation;
use super::{AGENTS, ANSWER, BUSY, QUIET, TENANTS};
use crate::table::{Table, grouped};

/// What the streams and the host's own counters say.
pub(crate) struct Report {
    conversation: Conversation,
    rows: Vec<Row>,
}

struct Row {
    tenant: &'static str,
    agent: &'static str,
    counters: Counters,
}

/// The part of `agent show -o json` that the summary is made of.
#[derive(Deserialize)]
struct Shown {
    counters: Counters,
}

/// Each is required: a counter that is missing must not pass for zero.
#[derive(Deserialize)]
struct Counters {
    received: u64,
    handled: u64,
    published: u64,
    requested: u64,
    replied: u64,
    failed: u64,
    refused: u64,
    #[serde(alias = "fuelTotal")]
    fuel_total: u64,
    #[serde(alias = "handleMicrosTotal")]
    handle_micros_total: u64,
}

impl Report {
    /// Asks the host for the counters of every agent.
    pub(crate) fn read(client: &Client, conversation: Conversation) -> Result<Self> {
        let mut rows = Vec::new();
        for tenant in TENANTS {
            for agent in AGENTS {
                let shown: Shown = client.ask(["agent", "show", agent, "--tenant", tenant])?;
                rows.push(Row { tenant, agent, counters: shown.counters });
            }
        }
        Ok(Self { conversation, rows })
    }

    /// Fails unless the busy tenant worked and the quiet one saw nothing of it.
    pub(crate) fn check(&self, incidents: usize) -> Result<()> {
        let answered = self.conversation.count(BUSY, ANSWER);
        ensure!(answered == incidents, "{BUSY} had {incidents} incidents and {answered} messages of type {ANSWER}");
        let received = self.received(BUSY);
        ensure!(
            received >= incidents as u64,
            "{BUSY}'s agents count {received} messages received of {incidents} incidents"
        );
        let (foreign, received) = (self.conversation.foreign(QUIET), self.received(QUIET));
        ensure!(foreign == 0, "{QUIET} saw {foreign} messages of {BUSY}: the tenants are not apart");
        ensure!(received == 0, "{QUIET}'s agents received {received} messages, and nobody sent them any");
        let foreign = self.conversation.foreign(BUSY);
        ensure!(foreign == 0, "{BUSY}'s stream bore {foreign} messages with another tenant's stamp");
        Ok(())
    }

    fn received(&self, tenant: &str) -> u64 {
        self.rows.iter().filter(|row| row.tenant == tenant).map(|row| row.counters.received).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(["tenant", "agent", "received", "sent", "failed", "refused", "fuel/message", "µs/message"]);
        for Row { tenant, agent, counters } in &self.rows {
            let numbers = [counters.received, counters.sent(), counters.failed, counters.refused].map(grouped);
            let [received, sent, failed, refused] = numbers;
            let fuel = counters.per_message(counters.fuel_total);
            let micros = counters.per_message(counters.handle_micros_total);
            table.row([tenant.to_string(), agent.to_string(), received, sent, failed, refused, fuel, micros]);
        }
        writeln!(f, "{table}")?;
        for tenant in TENANTS {
            writeln!(f, "messages in {tenant}'s stream: {}", self.conversation.heard(tenant))?;
        }
        let (foreign, received) = (self.conversation.foreign(QUIET), self.received(QUIET));
        writeln!(f, "{QUIET} saw {foreign} messages of {BUSY}; its agents received {received}.")
    }
}

impl Counters {
    /// Messages it sent, whichever way.
    fn sent(&self) -> u64 {
        self.published + self.requested + self.replied
    }

    fn per_message(&self, total: u64) -> String {
        total.checked_div(self.handled).map_or_else(|| "-".to_owned(), grouped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(received: u64) -> Counters {
        Counters {
            received,
            handled: received,
            published: received,
            requested: 0,
            replied: 0,
            failed: 0,
            refused: 0,
            fuel_total: 5000 * received,
            handle_micros_total: 40 * received,
        }
    }

    fn report(busy: u64, quiet: u64, answers: usize) -> Report {
        let mut conversation = Conversation::new();
        for _ in 0..answers {
            let message = serde_json::json!({
                "tenantId": BUSY, "agentId": "incident-responder", "messageType": ANSWER, "destination": ANSWER, "timestamp": "",
            });
            conversation.take(BUSY, serde_json::from_value(message).unwrap());
        }
        let row = |tenant, received| Row { tenant, agent: "incident-responder", counters: counters(received) };
        Report { conversation, rows: vec![row(BUSY, busy), row(QUIET, quiet)] }
    }

    #[test]
    fn the_summary_is_true_only_if_the_busy_tenant_worked_and_the_quiet_one_heard_nothing() {
        assert!(report(20, 0, 20).check(20).is_ok());
        for untrue in [report(20, 1, 20), report(19, 0, 20), report(20, 0, 19), report(20, 0, 21)] {
            assert!(untrue.check(20).is_err());
        }
    }

    #[test]
    fn an_agent_without_messages_has_no_figures_per_message() {
        let text = report(20, 0, 20).to_string();
        assert!(text.contains("5,000"), "{text}");
        assert!(
            text.contains("globex  incident-responder         0     0       0        0             -           -\n"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_counter_is_an_error_and_not_zero() {
        assert!(serde_json::from_str::<Shown>(r#"{"counters": {"received": 1}}"#).is_err());
    }
}
