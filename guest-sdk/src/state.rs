//! Keys and values of the agent's own, with a time to live.

use std::time::Duration;

use crate::Denied;

/// The agent's keys and values. Every call costs 4,000 units of fuel, one more for each byte that crosses, and 64 for each key of
/// a page. Keys have 1 to 256 bytes, values at most 256 KiB.
pub trait State {
    /// The value of a key.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Denied>;

    /// Sets a value, whatever was there; for ever, or for a time to live in whole milliseconds.
    fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Denied>;

    /// Deletes a key, and says whether it was there.
    fn delete(&self, key: &str) -> Result<bool, Denied>;

    /// Up to 256 keys with a prefix, in ascending order, after another key.
    fn keys(&self, prefix: &str, after: Option<&str>) -> Result<KeyPage, Denied>;

    /// Adds to a number, kept as its decimal text, and gives the sum, as one step. A key that is not there counts as 0.
    fn increment(&self, key: &str, delta: i64) -> Result<i64, Denied>;

    /// Sets a value if the key has the value `expected` (`None`: if it is not there), as one step. Says whether it did.
    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, Denied>;
}

/// Some keys.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyPage {
    /// At most 256, in ascending order.
    pub keys: Vec<String>,
    /// What to pass as `after` for the next page; `None` after the last one.
    pub next: Option<String>,
}
