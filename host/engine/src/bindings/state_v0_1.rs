//! `bailiwick:state@0.1`: the generated types, and the answers a guest gets.

use host_calls::{HostReply, Refusal, StateReply};

use super::v0_1::{wit, wrong_kind};

mod generated {
    #![allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "generated from wit/")]
    wasmtime::component::bindgen!({
        inline: "
            package bailiwick:host;
            world host {
                import bailiwick:state/store@0.1.0;
            }
        ",
        path: ["../../wit/agent-0.1", "../../wit/state-0.1"],
        with: { "bailiwick:agent/types": crate::bindings::v0_1::generated::bailiwick::agent::types },
    });
}

pub(crate) use generated::bailiwick::state::store::Page;

/// The name under which the interface is linked.
pub(crate) const STORE: &str = "bailiwick:state/store@0.1.0";

pub(crate) type Answer<T> = Result<T, wit::Denied>;

/// The answer of a call on state, if it is one.
pub(crate) fn reply(reply: Result<HostReply, Refusal>) -> Result<StateReply, Refusal> {
    match reply? {
        HostReply::State(reply) => Ok(reply),
        _ => Err(wrong_kind()),
    }
}

/// The answer to `get`.
pub(crate) fn value(reply: Result<StateReply, Refusal>) -> Result<Option<Vec<u8>>, Refusal> {
    match reply? {
        StateReply::Value(value) => Ok(value),
        _ => Err(wrong_kind()),
    }
}

/// The answer to `set`.
pub(crate) fn set(reply: Result<StateReply, Refusal>) -> Result<(), Refusal> {
    match reply? {
        StateReply::Set => Ok(()),
        _ => Err(wrong_kind()),
    }
}

/// The answer to `delete` and `compare-and-set`.
pub(crate) fn done(reply: Result<StateReply, Refusal>) -> Result<bool, Refusal> {
    match reply? {
        StateReply::Done(done) => Ok(done),
        _ => Err(wrong_kind()),
    }
}

/// The answer to `keys`.
pub(crate) fn keys(reply: Result<StateReply, Refusal>) -> Result<(Vec<String>, Option<String>), Refusal> {
    match reply? {
        StateReply::Keys { keys, next } => Ok((keys, next)),
        _ => Err(wrong_kind()),
    }
}

/// The answer to `increment`.
pub(crate) fn number(reply: Result<StateReply, Refusal>) -> Result<i64, Refusal> {
    match reply? {
        StateReply::Number(number) => Ok(number),
        _ => Err(wrong_kind()),
    }
}
