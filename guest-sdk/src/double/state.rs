//! State that lives as long as its double. Its clock stands still: a time to live is remembered and never passes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Denied, KeyPage, Refusal, State};

/// The most keys of a page.
const PAGE_LEN_MAX: usize = 256;

/// A value, and how long it was to live.
type Kept = (Vec<u8>, Option<Duration>);

/// Keys and values in memory.
#[derive(Default)]
pub(super) struct MemoryState(RefCell<BTreeMap<String, Kept>>);

impl MemoryState {
    pub(super) fn ttl(&self, key: &str) -> Option<Duration> {
        self.0.borrow().get(key).and_then(|(_, ttl)| *ttl)
    }
}

impl State for &MemoryState {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Denied> {
        Ok(self.0.borrow().get(key).map(|(value, _)| value.clone()))
    }

    fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Denied> {
        self.0.borrow_mut().insert(key.to_owned(), (value.to_owned(), ttl));
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<bool, Denied> {
        Ok(self.0.borrow_mut().remove(key).is_some())
    }

    fn keys(&self, prefix: &str, after: Option<&str>) -> Result<KeyPage, Denied> {
        let kept = self.0.borrow();
        let wanted = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
        let mut keys: Vec<String> = kept.keys().filter(wanted).take(PAGE_LEN_MAX + 1).cloned().collect();
        let more = keys.len() > PAGE_LEN_MAX;
        keys.truncate(PAGE_LEN_MAX);
        Ok(KeyPage { next: keys.last().filter(|_| more).cloned(), keys })
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, Denied> {
        let invalid = |code| Denied::Invalid(Refusal::new(code));
        let mut kept = self.0.borrow_mut();
        let (value, _) = kept.entry(key.to_owned()).or_insert_with(|| (b"0".to_vec(), None));
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
        let sum = number.ok_or_else(|| invalid("not-a-number"))?.checked_add(delta);
        let sum = sum.ok_or_else(|| invalid("number-overflow"))?;
        *value = sum.to_string().into_bytes();
        Ok(sum)
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, Denied> {
        let same = self.get(key)?.as_deref() == expected;
        if same {
            self.set(key, value, ttl)?;
        }
        Ok(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_swaps_and_pages_as_the_host_does() {
        let kept = MemoryState::default();
        let state = &kept;
        assert_eq!((state.increment("n", 2), state.increment("n", -5)), (Ok(2), Ok(-3)));
        assert_eq!(state.get("n"), Ok(Some(b"-3".to_vec())));
        assert_eq!(state.compare_and_set("n", None, b"x", None), Ok(false));
        assert_eq!(state.compare_and_set("n", Some(b"-3"), b"x", None), Ok(true));
        assert!(state.increment("n", 1).is_err());
        for number in 0..300 {
            state.set(&format!("k{number:03}"), b"", Some(Duration::from_secs(1))).expect("a double takes all");
        }
        let first = state.keys("k", None).expect("a double has keys");
        let rest = state.keys("k", first.next.as_deref()).expect("a double has keys");
        assert_eq!((first.keys.len(), rest.keys.len(), rest.next), (256, 44, None));
        assert_eq!(kept.ttl("k000"), Some(Duration::from_secs(1)));
    }
}
