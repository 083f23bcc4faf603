//! What one tenant may use, and its budgets.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Budget, Rate, Roots};

/// A limit that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}: it must lie between {min} and {max}")]
pub struct BadQuota {
    /// Which limit.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The least that is allowed.
    pub min: u64,
    /// The most that is allowed.
    pub max: u64,
}

macro_rules! tenant_limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr, $min:expr => $max:expr;)*) => {
        /// What one tenant may use. Each limit bites; zero and absurd values do not load.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub struct TenantLimits {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Default for TenantLimits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl TenantLimits {
            /// The limits themselves, if each can be meant.
            pub fn checked(self) -> Result<Self, BadQuota> {
                $(check(stringify!($name), self.$name, $min, $max)?;)*
                Ok(self)
            }
        }
    };
}

tenant_limits! {
    /// Linear memory of all its instances together, in bytes.
    memory_bytes_max = 512 << 20, 64 << 10 => 1 << 40;
    /// Instances alive at once.
    instances_max = 256, 1 => 100_000;
    /// Requests that await their answer.
    requests_max = 1024, 1 => 1 << 20;
    /// Messages its agents may send in a second, all together.
    messages_per_second_max = 50_000, 1 => 100_000_000;
    /// Messages its agents may send in a day (UTC), all together.
    messages_per_day_max = 1_000_000_000, 1 => 1 << 50;
    /// Bytes its agents may log in a second, all together.
    log_bytes_per_second_max = 1 << 20, 1 << 10 => 1 << 32;
    /// Bytes of its agents' files.
    storage_bytes_max = 256 << 20, 1 << 10 => 1 << 50;
    /// Its agents' files and directories.
    storage_files_max = 10_000, 1 => 100_000_000;
    /// Bytes of its agents' keys and values.
    state_bytes_max = 64 << 20, 1 << 10 => 1 << 40;
    /// Its agents' keys.
    state_keys_max = 100_000, 1 => 100_000_000;
    /// HTTP requests under way at once.
    http_requests_max = 32, 1 => 10_000;
    /// Messages kept in its queues; one in two queues counts twice.
    queued_messages_max = 100_000, 1 => 100_000_000;
    /// Bytes kept in its queues.
    queued_bytes_max = 1 << 30, 1 << 10 => 1 << 50;
    /// Its dead letters.
    dead_letters_max = 10_000, 1 => 100_000_000;
    /// Hours that a message may wait in a queue: no longer than the keys that sign are remembered.
    retention_hours_max = 168, 1 => 720;
    /// How often a kept message is tried.
    message_attempts_max = 5, 1 => 100;
    /// Its share of a busy host, against the other tenants' shares.
    weight = 100, 1 => 10_000;
    /// Threads its messages may be handled on at once.
    parallelism = 1, 1 => 1024;
}

fn check(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), BadQuota> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(BadQuota { name, value, min, max }) }
}

/// One tenant's budgets, shared by all that spend from them. What is given back by dropping a guard is a [`Budget`].
#[derive(Debug, Clone)]
pub struct TenantBudgets {
    /// Linear memory, in bytes.
    pub memory: Arc<Budget>,
    /// Instances alive.
    pub instances: Arc<Budget>,
    /// Requests that await their answer.
    pub requests: Arc<Budget>,
    /// Bytes of files.
    pub storage_bytes: Arc<Budget>,
    /// Files and directories.
    pub storage_files: Arc<Budget>,
    /// Bytes of keys and values.
    pub state_bytes: Arc<Budget>,
    /// Keys.
    pub state_keys: Arc<Budget>,
    /// HTTP requests under way.
    pub http_requests: Arc<Budget>,
    /// What comes back with time.
    pub rates: Arc<TenantRates>,
}

/// One tenant's rates: what it may do in a second or a day.
#[derive(Debug)]
pub struct TenantRates {
    /// Messages sent in a second.
    pub messages_per_second: Rate,
    /// Messages sent in a day (UTC).
    pub messages_per_day: Rate,
    /// Bytes logged in a second.
    pub log_bytes_per_second: Rate,
    /// Messages sent because of one message.
    pub roots: Roots,
}

impl TenantRates {
    /// Rates of which nothing was used.
    pub fn new(limits: &TenantLimits) -> Self {
        Self {
            messages_per_second: Rate::per_second(limits.messages_per_second_max),
            messages_per_day: Rate::per_day(limits.messages_per_day_max),
            log_bytes_per_second: Rate::per_second(limits.log_bytes_per_second_max),
            roots: Roots::default(),
        }
    }

    fn set(&self, limits: &TenantLimits) {
        self.messages_per_second.set_max(limits.messages_per_second_max);
        self.messages_per_day.set_max(limits.messages_per_day_max);
        self.log_bytes_per_second.set_max(limits.log_bytes_per_second_max);
    }
}

impl TenantBudgets {
    /// Fresh budgets.
    pub fn new(limits: &TenantLimits) -> Self {
        Self {
            memory: Budget::new(limits.memory_bytes_max),
            instances: Budget::new(limits.instances_max),
            requests: Budget::new(limits.requests_max),
            storage_bytes: Budget::new(limits.storage_bytes_max),
            storage_files: Budget::new(limits.storage_files_max),
            state_bytes: Budget::new(limits.state_bytes_max),
            state_keys: Budget::new(limits.state_keys_max),
            http_requests: Budget::new(limits.http_requests_max),
            rates: Arc::new(TenantRates::new(limits)),
        }
    }

    /// Takes new limits. What is in use stays in use: a budget under its use gives no more until enough came back.
    pub fn set(&self, limits: &TenantLimits) {
        self.memory.set_max(limits.memory_bytes_max);
        self.instances.set_max(limits.instances_max);
        self.requests.set_max(limits.requests_max);
        self.storage_bytes.set_max(limits.storage_bytes_max);
        self.storage_files.set_max(limits.storage_files_max);
        self.state_bytes.set_max(limits.state_bytes_max);
        self.state_keys.set_max(limits.state_keys_max);
        self.http_requests.set_max(limits.http_requests_max);
        self.rates.set(limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_absurd_quotas_do_not_load() {
        assert!(TenantLimits::default().checked().is_ok());
        let zero = TenantLimits { instances_max: 0, ..TenantLimits::default() };
        assert_eq!(zero.checked().unwrap_err().to_string(), "instances_max is 0: it must lie between 1 and 100000");
        let absurd = TenantLimits { memory_bytes_max: u64::MAX, ..TenantLimits::default() };
        assert_eq!(absurd.checked().unwrap_err().name, "memory_bytes_max");
    }

    #[test]
    fn a_budget_set_under_its_use_takes_nothing_back_and_gives_nothing_more() {
        let budgets = TenantBudgets::new(&TenantLimits::default());
        let held = budgets.requests.share(10).unwrap();
        budgets.set(&TenantLimits { requests_max: 5, ..TenantLimits::default() });
        assert_eq!(budgets.requests.share(1).unwrap_err(), crate::OverBudget { used: 10, asked: 1, max: 5 });
        drop(held);
        assert!(budgets.requests.share(5).is_ok());
    }
}
