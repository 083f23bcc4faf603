//! Steps on keys and values.

use std::time::Duration;

use bailiwick_sdk::State;
use serde_json::{Value, json};

use crate::{Words, shown, told};

pub(crate) fn step(state: &impl State, words: &Words<'_>) -> Value {
    let (key, done) = (words.text(1), |()| json!("ok"));
    let ttl = |index| words.number(index).and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
    match words.text(0) {
        "get" => told(state.get(key), |value| value.map_or(Value::Null, |value| shown(&value))),
        "set" => told(state.set(key, &words.bytes(2), ttl(3)), done),
        "delete" => told(state.delete(key), |was_there| json!(was_there)),
        "keys" => told(state.keys(key, words.given(2)), |page| json!(page.keys)),
        "increment" => told(state.increment(key, words.number(2).unwrap_or(1)), |sum| json!(sum)),
        "swap" => {
            let expected = words.given(2).map(str::as_bytes);
            told(state.compare_and_set(key, expected, &words.bytes(3), ttl(4)), |swapped| json!(swapped))
        }
        unknown => json!({ "unknown": unknown }),
    }
}
