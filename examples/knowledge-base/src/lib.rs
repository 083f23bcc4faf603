//! Searches the operations runbooks. Resident: the index is built once, at the start, and every question is a look-up.

mod runbooks;
mod search;

use bailiwick_sdk::{Agent, Draft, Failure, Host, Message, Outcome, Resident, export_resident_agent, info};
use serde::{Deserialize, Serialize};

use search::{Hit, Index};

/// How many runbooks an answer holds at most.
const HITS_MAX: usize = 3;

/// The body of `knowledge.search`. What else a question says, such as its context, does not change the answer.
#[derive(Deserialize)]
struct Question {
    query: String,
}

/// The body of `knowledge.found`: the best runbook first, none where nothing fits.
#[derive(Serialize)]
struct Answer {
    runbooks: Vec<Hit>,
}

struct KnowledgeBase {
    index: Index,
}

impl Default for KnowledgeBase {
    fn default() -> Self {
        Self { index: Index::new(runbooks::all()) }
    }
}

impl Agent for KnowledgeBase {
    fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
        if message.message_type != "knowledge.search" {
            return Err(Failure::reject(format!("cannot answer {}, only knowledge.search", message.message_type)));
        }
        let question: Question = message.json()?;
        let answer = Answer { runbooks: self.index.search(&question.query, HITS_MAX) };
        info!(host, "{} runbooks found for {}", answer.runbooks.len(), message.sender);
        Ok(Some(Draft::json("knowledge.found", &answer)?))
    }
}

impl Resident for KnowledgeBase {
    fn start(&mut self, host: &impl Host) -> Result<(), String> {
        info!(host, "{} runbooks indexed", self.index.len());
        Ok(())
    }

    /// Knows one order: `runbooks` answers with all titles.
    fn command(&mut self, _host: &impl Host, name: &str, _data: &str) -> Result<String, String> {
        match name {
            "runbooks" => serde_json::to_string(&self.index.titles()).map_err(|error| error.to_string()),
            unknown => Err(format!("unknown command {unknown}, try runbooks")),
        }
    }
}

export_resident_agent!(KnowledgeBase);

#[cfg(test)]
mod tests {
    use bailiwick_sdk::double::{self, Double};
    use serde_json::{Value, json};

    use super::*;

    fn ask(message_type: &str, body: &Value) -> Outcome {
        let question = Draft::json(message_type, body).expect("plain JSON").correlation_id("c-1");
        Double::default().deliver(&mut KnowledgeBase::default(), double::question(question))
    }

    /// The runbooks found for an incident, as `incident-responder` asks for them.
    fn found(incident: &Value) -> Vec<String> {
        let text = |key: &str| incident[key].as_str().expect("incidents have texts").to_owned();
        let body = json!({ "query": format!("{} {}", text("title"), text("description")), "context": {} });
        let answer = ask("knowledge.search", &body).expect("a good question").expect("questions are answered");
        let answer: Value = serde_json::from_slice(&answer.payload).expect("answers are JSON");
        let runbooks = answer["runbooks"].as_array().expect("a list");
        runbooks.iter().map(|hit| hit["id"].as_str().expect("an id").to_owned()).collect()
    }

    #[test]
    fn each_incident_of_the_demo_finds_its_runbook_first_and_strangers_find_none() {
        let expected = [
            "disk-full",
            "database-connections",
            "tls-certificate",
            "memory-leak",
            "dns-failure",
            "queue-backlog",
            "latency-after-deploy",
            "failed-logins",
            "clock-skew",
            "replication-lag",
            "load-balancer-5xx",
            "backup-failure",
            "disk-full",
            "",
            "database-connections",
            "tls-certificate",
            "memory-leak",
            "dns-failure",
            "queue-backlog",
            "",
            "latency-after-deploy",
            "load-balancer-5xx",
            "backup-failure",
            "replication-lag",
        ];
        let incidents = include_str!("../../two-tenants/incidents.jsonl");
        assert_eq!(incidents.lines().count(), expected.len());
        for (line, expected) in incidents.lines().zip(expected) {
            let hits = found(&serde_json::from_str(line).expect("one object a line"));
            assert_eq!(hits.first().map_or("", String::as_str), expected, "{line}\n{hits:?}");
            assert!(hits.len() <= HITS_MAX);
        }
    }

    #[test]
    fn the_answer_carries_its_questions_correlation_id() {
        let answer = ask("knowledge.search", &json!({ "query": "disk full" })).expect("a good question");
        assert_eq!(answer.expect("answered").correlation_id.as_deref(), Some("c-1"));
    }

    #[test]
    fn what_is_not_a_question_is_rejected() {
        assert!(matches!(ask("knowledge.search", &json!([1])), Err(Failure::Reject(_))));
        assert!(matches!(ask("knowledge.forget", &json!({ "query": "disk" })), Err(Failure::Reject(_))));
    }

    #[test]
    fn an_operator_may_list_the_runbooks() {
        let (mut agent, host) = (KnowledgeBase::default(), Double::default());
        agent.start(&host).expect("nothing can fail");
        let titles: Vec<String> =
            serde_json::from_str(&agent.command(&host, "runbooks", "{}").expect("known")).expect("JSON");
        assert_eq!(titles.len(), runbooks::all().len());
        assert!(agent.command(&host, "reload", "{}").is_err());
    }
}
