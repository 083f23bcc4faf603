//! The agent of the load test. Well-behaved, it works through chains of messages with its peers and looks whether each is its own
//! tenant's; told otherwise, it attacks. README.md lists what it can be told.

mod attack;
mod work;

use bailiwick_sdk::{Agent, Failure, Host, Level, Message, Outcome, State as _, export_agent};
use serde::{Deserialize, Serialize};

/// Where a foreign message is kept for the oracle to find.
const FOREIGN_KEY: &str = "foreign";

#[derive(Default)]
struct Worker;

/// The body of every message.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Task {
    /// The word of the tenant whose message this is.
    canary: String,
    /// How many more are to follow.
    #[serde(default)]
    left: u32,
    /// What an attack is told.
    #[serde(default)]
    much: u64,
}

impl Agent for Worker {
    fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
        let task: Task = message.json()?;
        check(host, &task)?;
        match message.message_type.as_str() {
            "pass" => work::pass(host, &task),
            "carry" => work::carry(host, &message),
            "relay" => work::relay(host, &task),
            "ask" => work::answer(&task),
            "news" | "noise" => Ok(None),
            "spin" => attack::spin(),
            "grow" => Ok(attack::grow(task.much)),
            "flood" => attack::flood(host, &task),
            "logs" => Ok(attack::logs(host, &task)),
            "trap" => attack::trap(),
            "hoard" => Ok(attack::hoard(host, &task)),
            unknown => Err(Failure::reject(format!("no task named {unknown}"))),
        }
    }
}

export_agent!(Worker);

/// A message of another tenant is kept where the oracle looks, and not handled.
fn check(host: &impl Host, task: &Task) -> Result<(), Failure> {
    if host.setting("canary").as_ref() == Some(&task.canary) {
        return Ok(());
    }
    host.log(Level::Error, "a foreign message", &[("canary", &task.canary)]);
    host.state().set(FOREIGN_KEY, task.canary.as_bytes(), None)?;
    Err(Failure::reject("a foreign message"))
}
