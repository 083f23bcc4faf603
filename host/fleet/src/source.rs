//! Time and numbers from the machine: the one place that asks it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use host_model::{Clock, Ids, MessageId, Timestamp};

/// The machine's clocks.
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Clocks whose uptime starts now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn uptime_millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Numbers from the machine's random source.
///
/// Message ids are UUIDs of version 7 (RFC 9562 §5.7) whose random bits are a start drawn once and a count: they need to be new,
/// not unguessable, and a message must not wait for the kernel. Secrets are drawn each time.
pub struct RandomIds {
    start: u64,
    count: AtomicU64,
}

impl RandomIds {
    /// A new run of ids.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { start: getrandom::u64()?, count: AtomicU64::new(0) })
    }
}

impl Ids for RandomIds {
    fn message_id(&self, now: Timestamp) -> MessageId {
        const VERSION_7: u64 = 0x7000;
        const VARIANT: u64 = 1 << 63;
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let high = (now.as_millis() << 16) | VERSION_7 | (self.start >> 52);
        let low = VARIANT | (self.start.wrapping_add(count) & (VARIANT - 1) >> 1);
        MessageId::new(uuid::Uuid::from_u64_pair(high, low))
    }

    fn secret(&self) -> u128 {
        let mut bytes = [0; 16];
        // The kernel's source cannot fail once it has worked, and `new` has drawn from it.
        getrandom::fill(&mut bytes).expect("drawn from in new()");
        u128::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn message_ids_are_new_and_of_version_7() {
        let ids = RandomIds::new().unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let all: HashSet<String> = (0..10_000).map(|_| ids.message_id(now).to_string()).collect();
        assert_eq!(all.len(), 10_000);
        for id in all {
            let uuid = uuid::Uuid::parse_str(&id).unwrap();
            assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(uuid.get_timestamp().unwrap().to_unix().0, 1_700_000_000);
        }
    }
}
