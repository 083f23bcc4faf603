//! Keeps keys and files as it is told, through our own interfaces and through WASI's. The body of a message is a list of steps, each
//! a list of words; the answer is a list of what came of them. README.md lists the steps.

mod files;
mod leases;
mod state;
mod wasi;

use bailiwick_sdk::{Agent, Denied, Draft, Failure, Host, Message, Outcome, export_agent};
use serde_json::{Value, json};

#[derive(Default)]
struct Keeper;

impl Agent for Keeper {
    fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
        let steps: Vec<Vec<Value>> = message.json()?;
        let results: Vec<Value> =
            steps.iter().map(|step| step_of(host, &message.message_type, step)).collect::<Result<_, _>>()?;
        Ok(Some(Draft::json(format!("{}.done", message.message_type), &results)?))
    }
}

export_agent!(Keeper);

fn step_of(host: &impl Host, kind: &str, step: &[Value]) -> Result<Value, Failure> {
    let words = Words(step);
    match kind {
        "state" => Ok(state::step(&host.state(), &words)),
        "files" => Ok(files::step(&host.storage(), &words)),
        "leases" => Ok(leases::step(&host.leases(), &words)),
        "role" => Ok(json!(host.setting("BAILIWICK_ROLE"))),
        "wasi" => Ok(wasi::step(&words)),
        unknown => Err(Failure::reject(format!("no steps of {unknown}"))),
    }
}

/// The words of one step.
pub(crate) struct Words<'a>(&'a [Value]);

impl Words<'_> {
    /// One word as text; empty where there is none.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.0.get(index).and_then(Value::as_str).unwrap_or_default()
    }

    /// One word as text, where there is one.
    pub(crate) fn given(&self, index: usize) -> Option<&str> {
        self.0.get(index).and_then(Value::as_str)
    }

    /// One word as a number, where there is one.
    pub(crate) fn number(&self, index: usize) -> Option<i64> {
        self.0.get(index).and_then(Value::as_i64)
    }

    /// One word as bytes: a text, or so many bytes of `x`.
    pub(crate) fn bytes(&self, index: usize) -> Vec<u8> {
        let count = self.number(index).and_then(|count| usize::try_from(count).ok());
        count.map_or_else(|| self.text(index).into(), |count| vec![b'x'; count])
    }
}

/// What came of a step, or the code of the refusal.
pub(crate) fn told<T>(result: Result<T, Denied>, show: impl FnOnce(T) -> Value) -> Value {
    match result {
        Ok(value) => show(value),
        Err(denied) => {
            let refusal = denied.refusal();
            json!({
                "code": refusal.map_or("not-found", |refusal| &refusal.code),
                "limit": refusal.and_then(|refusal| refusal.limit),
                "actual": refusal.and_then(|refusal| refusal.actual),
            })
        }
    }
}

/// Bytes as text.
pub(crate) fn shown(bytes: &[u8]) -> Value {
    json!(String::from_utf8_lossy(bytes))
}
