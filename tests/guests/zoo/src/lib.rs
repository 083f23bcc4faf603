//! One guest with many behaviours, chosen by message type; the integration tests of the host send to it. A behaviour that ends
//! answers with JSON under `{type}.done`; README.md lists them all.

mod burn;
mod order;
mod probe;
mod report;

use std::time::Duration;

use bailiwick_sdk::{Agent, Draft, Failure, Host, Level, Message, Outcome, Resident, export_resident_agent};
use serde_json::{Value, json};

#[derive(Default)]
struct Zoo {
    handled: u64,
}

impl Agent for Zoo {
    fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
        self.handled += 1;
        let answer = match message.message_type.as_str() {
            "spin" | "fuel" => burn::spin(),
            "calls" => burn::calls(host),
            "recurse" => json!(burn::recurse(0)),
            "grow" => burn::grow(),
            "trap" => burn::trap(),
            "panic" => burn::panic(message.text()?),
            "sleep" => probe::sleep(Duration::from_millis(number(&message)?)),
            "env" => probe::environment(),
            "clock" => probe::clock(number(&message)?),
            "random" => probe::random(number(&message)?),
            "fs" => probe::files(),
            "stdout" => probe::print(message.text()?),
            "log" => log(host, message.text()?),
            "log-flood" => log_flood(host, number(&message)?),
            "publish" => order::publish(host, &message.json()?)?,
            "send" => order::send(host, &message.json()?)?,
            "send-then-trap" => {
                order::send(host, &message.json()?)?;
                burn::trap()
            }
            "request" => order::request(host, &message.json()?)?,
            "batch" => order::batch(host, &message.json::<Vec<_>>()?)?,
            "loop" => order::publish_again(host, message.clone()),
            "find" => order::find(host, message.json()?),
            "get" => json!(host.card(message.text()?).map(|card| report::card(&card))),
            "settings" => json!({ "all": host.settings(), "one": host.setting(message.text()?) }),
            "identity" => identity(host),
            "mirror" => report::message(&message),
            "count" => json!(self.handled),
            "reply-big" => return Ok(Some(big(number(&message)?))),
            "silent" => return Ok(None),
            "fail-retry" => return Err(retry(number(&message)?)),
            "fail-reject" => return Err(Failure::reject(message.text()?)),
            unknown => return Err(Failure::reject(format!("no behaviour named {unknown}"))),
        };
        Ok(Some(Draft::json(format!("{}.done", message.message_type), &answer)?))
    }
}

impl Resident for Zoo {
    fn start(&mut self, host: &impl Host) -> Result<(), String> {
        if host.setting("trap_start").is_some() {
            burn::trap();
        }
        match host.setting("fail_start") {
            Some(reason) => Err(reason),
            None => Ok(()),
        }
    }

    fn stop(&mut self, host: &impl Host) -> Result<(), String> {
        bailiwick_sdk::info!(host, "stopped");
        Ok(())
    }

    fn command(&mut self, _host: &impl Host, name: &str, data: &str) -> Result<String, String> {
        match name {
            "echo" => Ok(data.to_owned()),
            "trap" => burn::trap(),
            unknown => Err(format!("unknown command {unknown}")),
        }
    }
}

export_resident_agent!(Zoo);

/// The body as a decimal number; an empty body is 16.
fn number(message: &Message) -> Result<u64, Failure> {
    match message.text()?.trim() {
        "" => Ok(16),
        text => text.parse().map_err(|error| Failure::reject(format!("{text} is no number: {error}"))),
    }
}

fn identity(host: &impl Host) -> Value {
    json!({
        "tenant": host.tenant_id(),
        "agent": host.agent_id(),
        "name": host.agent_name(),
        "version": host.version(),
    })
}

/// Logs the text; an empty one stands for all that could fool a terminal or a log reader.
fn log(host: &impl Host, text: &str) -> Value {
    let nasty = "\u{1b}[31mred\u{1b}[0m\r\nforged=line\u{2028}after\u{7}";
    let text = if text.is_empty() { nasty } else { text };
    host.log(Level::Warn, text, &[("plain", "value"), ("nasty", nasty)]);
    json!(text.len())
}

fn log_flood(host: &impl Host, lines: u64) -> Value {
    for line in 0..lines {
        bailiwick_sdk::info!(host, "line {line}");
    }
    json!(lines)
}

fn big(bytes: u64) -> Draft {
    let len = usize::try_from(bytes).unwrap_or(usize::MAX);
    Draft::new("reply-big.done", "application/octet-stream", vec![b'x'; len])
}

fn retry(after_ms: u64) -> Failure {
    Failure::Retry { after: Some(Duration::from_millis(after_ms)), reason: "told to retry".to_owned() }
}
