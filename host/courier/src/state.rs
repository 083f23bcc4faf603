//! Keys and values of an agent: the grant said a second time, words parsed, and the store asked.

use std::sync::Arc;

use host_calls::{HostReply, Refusal, RefusalNumbers, STATE_TTL_MS_MAX, STATE_VALUE_LEN_MAX, StateCall, StateReply};
use host_model::{BadKey, Caller, Fence, StateKey, Timestamp};

use crate::{Party, Pending};

/// A value with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// At most [`STATE_VALUE_LEN_MAX`].
    pub bytes: Vec<u8>,
    /// When it is gone; never if not given.
    pub expires: Option<Timestamp>,
}

/// A [`StateCall`] whose words are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateOp {
    /// The value of a key.
    Get(StateKey),
    /// A page of [`PAGE_LEN_MAX`](host_calls::PAGE_LEN_MAX) keys with this prefix, after this one.
    Keys(String, Option<String>),
    /// Changes one key.
    Write(StateKey, StateWrite),
}

/// What is done to a key, as one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateWrite {
    /// Sets it.
    Set(Value),
    /// Deletes it.
    Delete,
    /// Adds to it, unless the sum would be less than `sum_min`.
    Increment {
        /// How much.
        delta: i64,
        /// The least that may come of it.
        sum_min: i64,
    },
    /// Sets it if it has this value.
    CompareAndSet(Option<Vec<u8>>, Value),
}

/// Keeps the state of all agents. `store` implements it.
pub trait StateStore: Send + Sync {
    /// Does it for the caller's agent and nobody else's, at the time `now`. A quota is exact and refuses without effect. A write
    /// that has begun is finished even if the answer is dropped.
    fn call(&self, caller: &Arc<Caller>, now: Timestamp, op: StateOp) -> Pending<StateReply> {
        self.call_under(caller, now, op, Vec::new())
    }

    /// Does it under these leases: in the step of the write, one that somebody else was granted since refuses it (`fenced`).
    fn call_under(&self, caller: &Arc<Caller>, now: Timestamp, op: StateOp, fences: Vec<Fence>) -> Pending<StateReply>;
}

pub(crate) fn call(
    store: Option<&Arc<dyn StateStore>>,
    party: &Party,
    now: Timestamp,
    call: StateCall,
) -> Result<Pending<HostReply>, Refusal> {
    if !party.grants().state {
        return Err(Refusal::NotGranted(RefusalNumbers::of("state-not-granted")));
    }
    party.tried("state", &"true", |grants| grants.state);
    let op = parse(now, call)?;
    let store = store.ok_or_else(|| Refusal::Unavailable(RefusalNumbers::of("no-state-here")))?;
    let reply = store.call_under(&party.caller, now, op, party.fences());
    Ok(Box::pin(async move { reply.await.map(HostReply::State) }))
}

fn parse(now: Timestamp, call: StateCall) -> Result<StateOp, Refusal> {
    Ok(match call {
        StateCall::Get { key } => StateOp::Get(parse_key(key)?),
        StateCall::Keys { prefix, after } => StateOp::Keys(parse_prefix(prefix)?, after),
        StateCall::Set { key, value, ttl_ms } => {
            StateOp::Write(parse_key(key)?, StateWrite::Set(parse_value(now, value, ttl_ms)?))
        }
        StateCall::Delete { key } => StateOp::Write(parse_key(key)?, StateWrite::Delete),
        StateCall::Increment { key, delta, sum_min } => {
            StateOp::Write(parse_key(key)?, StateWrite::Increment { delta, sum_min })
        }
        StateCall::CompareAndSet { key, expected, value, ttl_ms } => {
            let value = parse_value(now, value, ttl_ms)?;
            StateOp::Write(parse_key(key)?, StateWrite::CompareAndSet(expected, value))
        }
    })
}

fn parse_key(raw: String) -> Result<StateKey, Refusal> {
    StateKey::new(raw).map_err(of_key)
}

fn of_key(bad: BadKey) -> Refusal {
    let numbers = RefusalNumbers::of("key-bytes").past(BadKey::LEN_MAX as u64, bad.len as u64);
    if bad.len == 0 { Refusal::Invalid(numbers) } else { Refusal::TooLarge(numbers) }
}

fn parse_prefix(prefix: String) -> Result<String, Refusal> {
    if prefix.len() <= BadKey::LEN_MAX { Ok(prefix) } else { Err(of_key(BadKey { len: prefix.len() })) }
}

fn parse_value(now: Timestamp, bytes: Vec<u8>, ttl_ms: Option<u64>) -> Result<Value, Refusal> {
    if bytes.len() > STATE_VALUE_LEN_MAX {
        let numbers = RefusalNumbers::of("value-bytes").past(STATE_VALUE_LEN_MAX as u64, bytes.len() as u64);
        return Err(Refusal::TooLarge(numbers));
    }
    let expires = ttl_ms.map(|ttl_ms| expiry(now, ttl_ms)).transpose()?;
    Ok(Value { bytes, expires })
}

fn expiry(now: Timestamp, ttl_ms: u64) -> Result<Timestamp, Refusal> {
    if (1..=STATE_TTL_MS_MAX).contains(&ttl_ms) {
        return Ok(Timestamp::from_millis(now.as_millis().saturating_add(ttl_ms)));
    }
    Err(Refusal::Invalid(RefusalNumbers::of("ttl-ms").past(STATE_TTL_MS_MAX, ttl_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn set(key: usize, value: usize, ttl_ms: Option<u64>) -> StateCall {
        StateCall::Set { key: "k".repeat(key), value: vec![0; value], ttl_ms }
    }

    fn check(call: StateCall, expected: Result<(), Refusal>) {
        assert_eq!(parse(NOW, call).map(drop), expected);
    }

    #[test]
    fn words_are_taken_up_to_their_bounds_and_refused_past_them_with_the_numbers() {
        let numbers = |code: &str, limit: u64, actual: u64| RefusalNumbers::of(code).past(limit, actual);
        check(set(1, 0, None), Ok(()));
        check(set(256, STATE_VALUE_LEN_MAX, Some(STATE_TTL_MS_MAX)), Ok(()));
        check(set(0, 0, None), Err(Refusal::Invalid(numbers("key-bytes", 256, 0))));
        check(set(257, 0, None), Err(Refusal::TooLarge(numbers("key-bytes", 256, 257))));
        let len_max = STATE_VALUE_LEN_MAX as u64;
        check(
            set(1, STATE_VALUE_LEN_MAX + 1, None),
            Err(Refusal::TooLarge(numbers("value-bytes", len_max, len_max + 1))),
        );
        for ttl_ms in [0, STATE_TTL_MS_MAX + 1, u64::MAX] {
            check(set(1, 0, Some(ttl_ms)), Err(Refusal::Invalid(numbers("ttl-ms", STATE_TTL_MS_MAX, ttl_ms))));
        }
        let keys = |len| StateCall::Keys { prefix: "p".repeat(len), after: None };
        check(keys(0), Ok(()));
        check(keys(256), Ok(()));
        check(keys(257), Err(Refusal::TooLarge(numbers("key-bytes", 256, 257))));
    }
}
