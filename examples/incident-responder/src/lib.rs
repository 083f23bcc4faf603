//! Takes each new incident, asks whoever knows for runbooks, and escalates with what was found. An incident is escalated even
//! when nobody could be asked: help without a runbook is better than a runbook without help.

use std::time::Duration;

use bailiwick_sdk::{Agent, Denied, Draft, Failure, Host, Message, Outcome, Query, export_agent, warn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const SKILL: &str = "search_knowledge_base";
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// What we need of an incident, and everything else it says.
#[derive(Deserialize, Serialize)]
struct Incident {
    id: String,
    title: String,
    description: String,
    #[serde(flatten)]
    facts: Map<String, Value>,
}

/// The answer to `knowledge.search`, passed on as it came.
#[derive(Deserialize)]
struct Found {
    runbooks: Vec<Value>,
}

#[derive(Default)]
struct IncidentResponder;

impl Agent for IncidentResponder {
    fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
        let incident: Incident = message.json()?;
        let conversation = conversation_id(&incident, &message);
        let (runbooks, note) = match consult(host, &incident, &conversation) {
            Ok((agent, runbooks)) => (runbooks, format!("searched by {agent}")),
            Err(reason) => (Vec::new(), format!("not searched: {reason}")),
        };
        let escalation = json!({ "incident": incident, "runbooks": runbooks, "knowledge": note });
        let status =
            json!({ "state": "ready", "lastIncident": incident.id, "runbooks": runbooks.len(), "knowledge": note });
        publish(host, "incident.escalated", "incident.escalated", &escalation, &conversation)?;
        let topic = format!("agents.{}.status", host.agent_id());
        if let Err(failure) = publish(host, &topic, "agent.status", &status, &conversation) {
            warn!(host, "status of {} not published: {failure:?}", incident.id);
        }
        Ok(None)
    }
}

/// Asks the first agent that can search. The error says, for a human, why there is no answer.
fn consult(host: &impl Host, incident: &Incident, conversation: &str) -> Result<(String, Vec<Value>), String> {
    let peer = host.find_first(&Query::skill(SKILL)).ok_or_else(|| format!("no agent with skill {SKILL}"))?;
    let query = format!("{} {}", incident.title, incident.description);
    let question = json!({ "query": query, "context": { "incidentId": incident.id } });
    let draft =
        Draft::json("knowledge.search", &question).map_err(|error| error.to_string())?.correlation_id(conversation);
    let answer =
        host.request(&peer.id, draft, ANSWER_DEADLINE).map_err(|denied| format!("{} {}", peer.id, said(&denied)))?;
    let found: Found = answer.json().map_err(|error| format!("{} answered strangely: {error}", peer.id))?;
    Ok((peer.id, found.runbooks))
}

fn said(denied: &Denied) -> String {
    match denied {
        Denied::TimedOut(_) => format!("did not answer within {} ms", ANSWER_DEADLINE.as_millis()),
        other => format!("could not be asked: {other}"),
    }
}

/// The incident's own correlation id, else its message's, else the message's id: one conversation has one id from end to end.
fn conversation_id(incident: &Incident, message: &Message) -> String {
    let own = incident.facts.get("correlationId").and_then(Value::as_str);
    own.or(message.correlation_id.as_deref()).unwrap_or(&message.id).to_owned()
}

fn publish(host: &impl Host, topic: &str, kind: &str, value: &Value, conversation: &str) -> Result<(), Failure> {
    host.publish(topic, Draft::json(kind, value)?.correlation_id(conversation))?;
    Ok(())
}

export_agent!(IncidentResponder);

#[cfg(test)]
mod tests {
    use bailiwick_sdk::{
        Level, Refusal, Target,
        double::{self, Double},
    };

    use super::*;

    fn incident() -> Message {
        let facts = json!({
            "id": "INC-1", "title": "Disk full", "description": "/var is at 100%",
            "severity": "high", "correlationId": "corr-1",
        });
        double::event("incident.created", Draft::json("incident.created", &facts).expect("plain JSON"))
    }

    fn host_with_knowledge() -> Double {
        Double::default().with_card(double::card("knowledge-base", &[SKILL]))
    }

    /// Delivers the incident and gives back the one escalation.
    fn escalation(host: &Double) -> (Draft, Value) {
        assert_eq!(host.deliver(&mut IncidentResponder, incident()), Ok(None));
        let draft = host.published("incident.escalated").pop().expect("an incident is always escalated");
        let value = serde_json::from_slice(&draft.payload).expect("escalations are JSON");
        (draft, value)
    }

    #[test]
    fn an_escalation_carries_the_runbooks_and_all_facts() {
        let host = host_with_knowledge().answering("knowledge-base", |_| {
            Ok(Draft::text("knowledge.found", r#"{"runbooks": [{"id": "disk-full"}]}"#))
        });
        let (draft, value) = escalation(&host);
        assert_eq!(draft.correlation_id.as_deref(), Some("corr-1"));
        assert_eq!(value["runbooks"], json!([{ "id": "disk-full" }]));
        assert_eq!(value["incident"]["severity"], "high");
        assert_eq!(value["knowledge"], "searched by knowledge-base");
    }

    #[test]
    fn the_question_carries_type_correlation_id_and_deadline() {
        let host = host_with_knowledge();
        escalation(&host);
        let asked = host.sent().into_iter().next().expect("the question comes first");
        assert_eq!((asked.target, asked.deadline), (Target::agent("knowledge-base"), Some(ANSWER_DEADLINE)));
        assert_eq!(asked.draft.message_type, "knowledge.search");
        assert_eq!(asked.draft.correlation_id.as_deref(), Some("corr-1"));
    }

    #[test]
    fn without_an_answer_the_incident_is_escalated_and_says_why() {
        let check = |host: Double, note: &str| {
            let (_, value) = escalation(&host);
            assert_eq!(value["knowledge"], format!("not searched: {note}"));
            assert_eq!(value["runbooks"], json!([]));
        };
        check(Double::default(), "no agent with skill search_knowledge_base");
        check(
            host_with_knowledge().answering("knowledge-base", |_| Err(Denied::TimedOut(Refusal::default()))),
            "knowledge-base did not answer within 2000 ms",
        );
        check(host_with_knowledge(), "knowledge-base could not be asked: not found");
    }

    #[test]
    fn the_status_names_the_incident_and_its_loss_is_only_logged() {
        let host = Double::default();
        escalation(&host);
        let status: Value = serde_json::from_slice(&host.published("agents.agent.status")[0].payload).expect("JSON");
        assert_eq!(status["lastIncident"], "INC-1");

        let topic = Target::topic("agents.agent.status");
        let host = Double::default().refusing(topic, Denied::Backpressure(Refusal::new("mailbox-full")));
        escalation(&host);
        assert_eq!(host.logged()[0].level, Level::Warn);
    }

    #[test]
    fn an_incident_that_cannot_be_escalated_now_is_tried_again() {
        let busy = Denied::Backpressure(Refusal::new("mailbox-full"));
        let host = Double::default().refusing(Target::topic("incident.escalated"), busy);
        assert!(matches!(host.deliver(&mut IncidentResponder, incident()), Err(Failure::Retry { .. })));
    }

    #[test]
    fn what_is_not_an_incident_is_rejected() {
        let message = double::event("incident.created", Draft::text("incident.created", "help!"));
        assert!(matches!(Double::default().deliver(&mut IncidentResponder, message), Err(Failure::Reject(_))));
    }
}
