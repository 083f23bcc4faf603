//! What a good agent does: hands its task on, and on the way publishes, asks, keeps and logs.

use std::time::Duration;

use bailiwick_sdk::{Draft, Failure, Host, Level, Message, Outcome, State as _, Storage as _};

use crate::Task;

/// Agents of a tenant, `w0` to `w9`.
const PEERS: u32 = 10;
/// Who receives what is carried.
const CARRIED_TO: &str = "sink";
/// How long a peer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(4);

/// One link of a chain: every sixteenth does one of the dearer things, each at its own turn. Agents with even numbers ask those with
/// odd ones and never the other way round, so that nobody waits for somebody who waits.
pub(crate) fn pass(host: &impl Host, task: &Task) -> Outcome {
    match task.left % 16 {
        1 => publish(host, task)?,
        5 => host.state().set(&format!("k{}", task.left % 128), task.canary.as_bytes(), None)?,
        8 => drop(host.request(&peer(task.left + 1), draft("ask", task)?, ANSWER_TIME_MAX)?),
        11 => host.storage().write(&format!("f{}", task.left % 128), task.canary.as_bytes())?,
        14 => host.log(Level::Info, "passed on", &[("canary", &task.canary)]),
        _ => {}
    }
    if task.left > 0 {
        let next = Task { left: task.left - 1, ..task.clone() };
        host.send(&peer(next.left), draft("pass", &next)?)?;
    }
    Ok(None)
}

/// Asks a peer, and answers when that has answered.
pub(crate) fn relay(host: &impl Host, task: &Task) -> Outcome {
    let answer = host.request(&peer(task.left + 1), draft("ask", task)?, ANSWER_TIME_MAX)?;
    Ok(Some(Draft::new("relay.done", answer.content_type, answer.payload)))
}

/// Passes a message that must not be lost on as it is, to the agent outside that waits for it.
pub(crate) fn carry(host: &impl Host, message: &Message) -> Outcome {
    let carried = Draft::new("carried", message.content_type.as_str(), message.payload.clone());
    host.send(CARRIED_TO, carried.option("qos", "at-least-once"))?;
    Ok(None)
}

pub(crate) fn answer(task: &Task) -> Outcome {
    Ok(Some(draft("ask.done", task)?))
}

pub(crate) fn draft(message_type: &str, task: &Task) -> Result<Draft, Failure> {
    Ok(Draft::json(message_type, task)?)
}

fn publish(host: &impl Host, task: &Task) -> Result<(), Failure> {
    host.publish("load.news", draft("news", task)?)?;
    Ok(())
}

/// Each step of a chain is with somebody else.
fn peer(number: u32) -> String {
    format!("w{}", number % PEERS)
}
