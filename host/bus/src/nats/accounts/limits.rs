//! What a tenant's account may use.

use super::AccountsError;
use super::claims::{Limits, NO_LIMIT};
use crate::QueueLimits;

/// Bytes that a stored message takes beside its frame: its subject, its header and the stream's own record.
const RECORD_BYTES_MAX: u64 = 1 << 10;
/// Streams of a tenant: its messages, and those in which the server keeps MQTT sessions.
const STREAMS_MAX: u32 = 8;
/// Consumers of a tenant: one a queue and shard that agents receive from.
const CONSUMERS_MAX: u32 = 10_000;
/// Connections of a tenant: of its external agents, as many as may have a stream open, and of hosts.
const CONNECTIONS_MAX: u32 = 256 + 64;
/// Subscriptions of one connection: a host's.
const SUBSCRIPTIONS_MAX: u32 = 100_000;
/// The most of anything but bytes.
const COUNT_MAX: u64 = 1_000_000;
/// The most bytes.
const BYTES_MAX: u64 = 1 << 60;
/// The most a server sends in one message.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;

/// What a tenant's account may use. NATS counts disk, streams, consumers and connections over all connections of the account and
/// over all servers, so that a tenant gains nothing by opening many; subscriptions it counts per connection
/// (nats-server issue 6570), and external agents are bounded by their own users' far smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLimits {
    /// Bytes of all its streams on disk, each replica counted.
    pub disk_bytes_max: u64,
    /// Streams.
    pub streams_max: u32,
    /// Consumers of all its streams.
    pub consumers_max: u32,
    /// Connections to all servers.
    pub connections_max: u32,
    /// Subscriptions of one connection.
    pub subscriptions_max: u32,
    /// Bytes of a message on the wire.
    pub payload_bytes_max: u32,
}

impl AccountLimits {
    /// From what the tenant may keep, the longest frame, and how many replicas each stream has.
    pub fn of(queues: &QueueLimits, frame_bytes_max: u32, replicas: u8) -> Self {
        let records = queues.messages_max.saturating_mul(RECORD_BYTES_MAX);
        Self {
            disk_bytes_max: queues.bytes_max.saturating_add(records).saturating_mul(replicas.into()).min(BYTES_MAX),
            streams_max: STREAMS_MAX,
            consumers_max: CONSUMERS_MAX,
            connections_max: CONNECTIONS_MAX,
            subscriptions_max: SUBSCRIPTIONS_MAX,
            payload_bytes_max: frame_bytes_max,
        }
    }

    /// The limits themselves, if each can be meant: to NATS, 0 is nothing in some and no limit in others.
    pub fn checked(self) -> Result<Self, AccountsError> {
        let within = |name, value: u64, max| {
            if (1..=max).contains(&value) { Ok(()) } else { Err(AccountsError::BadLimit { name, value, max }) }
        };
        within("disk_bytes_max", self.disk_bytes_max, BYTES_MAX)?;
        within("streams_max", self.streams_max.into(), COUNT_MAX)?;
        within("consumers_max", self.consumers_max.into(), COUNT_MAX)?;
        within("connections_max", self.connections_max.into(), COUNT_MAX)?;
        within("subscriptions_max", self.subscriptions_max.into(), COUNT_MAX)?;
        within("payload_bytes_max", self.payload_bytes_max.into(), PAYLOAD_BYTES_MAX)?;
        Ok(self)
    }

    pub(super) fn claims(&self) -> Limits {
        Limits {
            subs: self.subscriptions_max.into(),
            data: NO_LIMIT,
            payload: self.payload_bytes_max.into(),
            imports: 0,
            exports: 0,
            wildcards: false,
            // MQTT clients have nothing else; only hosts make users.
            disallow_bearer: false,
            conn: self.connections_max.into(),
            leaf: 0,
            // Nothing of a tenant is kept in memory alone.
            mem_storage: 0,
            disk_storage: i64::try_from(self.disk_bytes_max).unwrap_or(i64::MAX),
            streams: self.streams_max.into(),
            consumer: self.consumers_max.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const QUEUES: QueueLimits = QueueLimits {
        messages_max: 1_000,
        bytes_max: 1 << 20,
        letters_max: 10,
        retention: Duration::from_hours(1),
        attempts_max: 5,
    };

    #[test]
    fn what_a_tenant_may_keep_fits_its_account_on_each_replica() {
        let check = |replicas: u8| AccountLimits::of(&QUEUES, 1 << 20, replicas).checked().unwrap().disk_bytes_max;
        assert_eq!(check(1), QUEUES.bytes_max + QUEUES.messages_max * RECORD_BYTES_MAX);
        assert_eq!(check(3), 3 * check(1));
    }

    #[test]
    fn no_limit_is_nothing_or_endless() {
        let good = AccountLimits::of(&QUEUES, 1 << 20, 1);
        let check = |limits: AccountLimits, name: Option<&str>| match (limits.checked(), name) {
            (Ok(_), None) => {}
            (Err(AccountsError::BadLimit { name: found, .. }), Some(name)) => assert_eq!(found, name),
            (checked, name) => unreachable!("{checked:?} {name:?}"),
        };
        check(good, None);
        check(AccountLimits { disk_bytes_max: 0, ..good }, Some("disk_bytes_max"));
        check(AccountLimits { disk_bytes_max: BYTES_MAX + 1, ..good }, Some("disk_bytes_max"));
        check(AccountLimits { streams_max: 0, ..good }, Some("streams_max"));
        check(AccountLimits { consumers_max: 0, ..good }, Some("consumers_max"));
        check(AccountLimits { connections_max: 0, ..good }, Some("connections_max"));
        check(AccountLimits { subscriptions_max: 1_000_001, ..good }, Some("subscriptions_max"));
        check(AccountLimits { payload_bytes_max: 0, ..good }, Some("payload_bytes_max"));
    }
}
