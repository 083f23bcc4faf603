//! What an agent asks of its state: keys and values with a time to live.

use serde::{Deserialize, Serialize};

use crate::Price;

/// A call that reads or writes state.
pub const STATE_BASE: Price = 4_000;
/// The longest value, in bytes.
pub const STATE_VALUE_LEN_MAX: usize = 256 << 10;
/// The longest time to live, in milliseconds: a hundred years.
pub const STATE_TTL_MS_MAX: u64 = 100 * 365 * 24 * 3_600 * 1_000;
/// The most entries of one page of keys or of a directory.
pub const PAGE_LEN_MAX: usize = 256;
/// What an entry of a page costs beside its bytes.
pub const ENTRY_PRICE: Price = 64;

/// A call of `bailiwick:state/store`. Keys are as the guest wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateCall {
    /// The value of a key.
    Get {
        /// Which.
        key: String,
    },
    /// Sets a value, whatever was there.
    Set {
        /// Which.
        key: String,
        /// What.
        value: Vec<u8>,
        /// For how long, in milliseconds; for ever if not given.
        ttl_ms: Option<u64>,
    },
    /// Deletes a key.
    Delete {
        /// Which.
        key: String,
    },
    /// A page of keys.
    Keys {
        /// How they begin.
        prefix: String,
        /// After which key.
        after: Option<String>,
    },
    /// Adds to a number.
    Increment {
        /// Which.
        key: String,
        /// How much.
        delta: i64,
        /// The least that may come of it; less is refused without effect.
        sum_min: i64,
    },
    /// Sets a value if the key has another.
    CompareAndSet {
        /// Which.
        key: String,
        /// The value it must have; none if it must not be there.
        expected: Option<Vec<u8>>,
        /// What to set.
        value: Vec<u8>,
        /// For how long, in milliseconds; for ever if not given.
        ttl_ms: Option<u64>,
    },
}

/// The answer to a [`StateCall`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateReply {
    /// To get.
    Value(Option<Vec<u8>>),
    /// To set.
    Set,
    /// To delete and compare-and-set: whether it was done.
    Done(bool),
    /// To keys.
    Keys {
        /// At most [`PAGE_LEN_MAX`], in ascending order of their bytes.
        keys: Vec<String>,
        /// After which key the next page begins.
        next: Option<String>,
    },
    /// To increment.
    Number(i64),
}

pub(crate) fn price_of_call(call: &StateCall) -> Price {
    let bytes = match call {
        StateCall::Get { key } | StateCall::Delete { key } | StateCall::Increment { key, .. } => key.len(),
        StateCall::Set { key, value, .. } => key.len() + value.len(),
        StateCall::Keys { prefix, after } => prefix.len() + after.as_ref().map_or(0, String::len),
        StateCall::CompareAndSet { key, expected, value, .. } => {
            key.len() + expected.as_ref().map_or(0, Vec::len) + value.len()
        }
    };
    STATE_BASE + bytes as Price
}

pub(crate) fn price_of_reply(reply: &StateReply) -> Price {
    match reply {
        StateReply::Value(value) => value.as_ref().map_or(0, Vec::len) as Price,
        StateReply::Keys { keys, .. } => keys.iter().map(|key| ENTRY_PRICE + key.len() as Price).sum(),
        StateReply::Set | StateReply::Done(_) | StateReply::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_crosses_is_charged_in_both_directions() {
        let (key, value) = ("key".to_owned(), vec![0; 100]);
        let check = |call: StateCall, bytes: Price| assert_eq!(price_of_call(&call), STATE_BASE + bytes, "{call:?}");
        check(StateCall::Get { key: key.clone() }, 3);
        check(StateCall::Set { key: key.clone(), value: value.clone(), ttl_ms: None }, 103);
        check(StateCall::Keys { prefix: "ab".into(), after: Some("abc".into()) }, 5);
        let expected = Some(vec![0; 50]);
        check(StateCall::CompareAndSet { key, expected, value: value.clone(), ttl_ms: None }, 153);
        assert_eq!(price_of_reply(&StateReply::Value(Some(value))), 100);
        assert_eq!(price_of_reply(&StateReply::Keys { keys: vec!["a".into(), "bc".into()], next: None }), 2 * 64 + 3);
    }
}
