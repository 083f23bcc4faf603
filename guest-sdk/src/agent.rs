//! What an agent is: a value that handles messages, and, when it stays, a value with a beginning and an end.

use crate::{Draft, Failure, Host, Message};

/// How handling a message ends: nothing to say, an answer, or a failure.
pub type Outcome = Result<Option<Draft>, Failure>;

/// An agent. Export it with [`export_agent!`](crate::export_agent), or with
/// [`export_resident_agent!`](crate::export_resident_agent) when it is [`Resident`] too.
///
/// `Default` makes one value per instance, just before its first call. With `instances = "per-message"` in the manifest that is
/// a fresh value for each message; with `"resident"` the value lives as long as the instance and may remember.
pub trait Agent: Default {
    /// Handles one message.
    ///
    /// Answer a request ([`Message::expects_answer`]) with `Ok(Some(draft))`; for any other message the draft is dropped. An
    /// answer without a correlation id is given its question's. A panic fails this one message and ends the instance.
    fn handle(&mut self, host: &impl Host, message: Message) -> Outcome;
}

/// An agent that is told when it starts and stops, and that takes an operator's orders. Per-message agents are never asked.
pub trait Resident: Agent {
    /// Called once, before the first message. An error keeps the agent from becoming ready; its text reaches the operator.
    fn start(&mut self, host: &impl Host) -> Result<(), String> {
        let _ = host;
        Ok(())
    }

    /// Called once, after the last message. An error is logged and changes nothing.
    fn stop(&mut self, host: &impl Host) -> Result<(), String> {
        let _ = host;
        Ok(())
    }

    /// An operator's order by name, with JSON data; the answer is JSON. Unless overridden, no order is known.
    fn command(&mut self, host: &impl Host, name: &str, data: &str) -> Result<String, String> {
        let _ = (host, data);
        Err(format!("unknown command {name}"))
    }
}

/// Lets an agent handle a message: the one way in, for the component and for the double.
pub(crate) fn deliver(agent: &mut impl Agent, host: &impl Host, message: Message) -> Outcome {
    let question = message.correlation_id.clone();
    let answer = agent.handle(host, message)?;
    Ok(answer.map(|draft| draft.correlated(question)))
}
