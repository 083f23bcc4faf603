//! Calls other hosts as it is told and reports what came of it: the requests are its sender's, however absurd.

mod fetch;
mod fields;

use bailiwick_sdk::{Agent, Draft, Failure, Host, Message, Outcome, export_agent};
use serde_json::json;

#[derive(Default)]
struct Caller;

impl Agent for Caller {
    fn handle(&mut self, _host: &impl Host, message: Message) -> Outcome {
        let answer = match message.message_type.as_str() {
            "fetch" => fetch::fetch(&message.json()?),
            "hold" => json!(fetch::hold(&message.json()?)),
            "many-fields" => fields::many(),
            "large-field" => fields::large(),
            unknown => return Err(Failure::reject(format!("no behaviour named {unknown}"))),
        };
        Ok(Some(Draft::json(format!("{}.done", message.message_type), &answer)?))
    }
}

export_agent!(Caller);
