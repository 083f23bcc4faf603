//! Limits set for one tenant, over the host's defaults: only what was set is kept, the rest follows the host.

use serde::Serialize;

use crate::{BadQuota, TenantBudgets, TenantLimits};

/// No limit has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no limit is called '{name}': use {}", QuotaName::list())]
pub struct UnknownQuota {
    /// What was written, bounded and inert.
    pub name: String,
}

macro_rules! quota_names {
    ($($(#[$doc:meta])* $case:ident: $field:ident = $word:literal,)*) => {
        /// One of a tenant's limits, as operators speak of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum QuotaName {
            $($(#[$doc])* $case,)*
        }

        impl QuotaName {
            /// All of them, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$case,)*];

            /// The word for it in API, CLI and store.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word,)* }
            }

            fn of_field(field: &str) -> Option<Self> {
                match field { $(stringify!($field) => Some(Self::$case),)* _ => None }
            }

            /// This limit's value.
            pub fn of(self, limits: &TenantLimits) -> u64 {
                match self { $(Self::$case => limits.$field,)* }
            }
        }

        /// Limits set for one tenant. What is `None` follows the host's defaults.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct QuotaOverrides {
            $($field: Option<u64>,)*
        }

        impl QuotaOverrides {
            /// What was set for this limit.
            pub fn get(&self, name: QuotaName) -> Option<u64> {
                match name { $(QuotaName::$case => self.$field,)* }
            }

            /// Sets a limit. Whether it can be meant is told by [`checked_over`](Self::checked_over).
            pub fn set(&mut self, name: QuotaName, value: u64) {
                match name { $(QuotaName::$case => self.$field = Some(value),)* }
            }

            /// What is in force for this tenant, once each limit was checked when it was set.
            pub fn over(&self, defaults: &TenantLimits) -> TenantLimits {
                TenantLimits { $($field: self.$field.unwrap_or(defaults.$field),)* }
            }
        }
    };
}

quota_names! {
    /// Linear memory of all its instances, in bytes.
    Memory: memory_bytes_max = "memory",
    /// Instances alive at once.
    Instances: instances_max = "instances",
    /// Requests that await their answer.
    Requests: requests_max = "requests",
    /// Messages sent in a second.
    MessagesPerSecond: messages_per_second_max = "messages-per-second",
    /// Messages sent in a day (UTC).
    MessagesPerDay: messages_per_day_max = "messages-per-day",
    /// Bytes logged in a second.
    LogPerSecond: log_bytes_per_second_max = "log-per-second",
    /// Bytes of files.
    Storage: storage_bytes_max = "storage",
    /// Files and directories.
    StorageFiles: storage_files_max = "storage-files",
    /// Bytes of keys and values.
    State: state_bytes_max = "state",
    /// Keys.
    StateKeys: state_keys_max = "state-keys",
    /// HTTP requests under way.
    HttpRequests: http_requests_max = "http-requests",
    /// Messages kept in queues.
    QueuedMessages: queued_messages_max = "queued-messages",
    /// Bytes kept in queues.
    QueuedBytes: queued_bytes_max = "queued-bytes",
    /// Dead letters.
    DeadLetters: dead_letters_max = "dead-letters",
    /// Hours that a message may wait.
    RetentionHours: retention_hours_max = "retention-hours",
    /// How often a kept message is tried.
    MessageAttempts: message_attempts_max = "message-attempts",
    /// Share of a busy host.
    Weight: weight = "weight",
    /// Threads at once.
    Parallelism: parallelism = "parallelism",
}

impl QuotaName {
    /// Whether it counts bytes.
    pub const fn is_bytes(self) -> bool {
        matches!(self, Self::Memory | Self::LogPerSecond | Self::Storage | Self::State | Self::QueuedBytes)
    }

    /// What is in use of it now, where that is held as a budget.
    pub fn used(self, budgets: &TenantBudgets) -> Option<u64> {
        let budget = match self {
            Self::Memory => &budgets.memory,
            Self::Instances => &budgets.instances,
            Self::Requests => &budgets.requests,
            Self::Storage => &budgets.storage_bytes,
            Self::StorageFiles => &budgets.storage_files,
            Self::State => &budgets.state_bytes,
            Self::StateKeys => &budgets.state_keys,
            Self::HttpRequests => &budgets.http_requests,
            Self::MessagesPerSecond
            | Self::MessagesPerDay
            | Self::LogPerSecond
            | Self::QueuedMessages
            | Self::QueuedBytes
            | Self::DeadLetters
            | Self::RetentionHours
            | Self::MessageAttempts
            | Self::Weight
            | Self::Parallelism => return None,
        };
        Some(budget.used())
    }

    fn list() -> String {
        Self::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl std::str::FromStr for QuotaName {
    type Err = UnknownQuota;

    fn from_str(raw: &str) -> Result<Self, UnknownQuota> {
        /// The most characters of an unknown name that are repeated.
        const SHOWN_MAX: usize = 64;
        let found = Self::ALL.iter().find(|name| name.as_str() == raw).copied();
        let shown = || raw.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
        found.ok_or_else(|| UnknownQuota { name: shown() })
    }
}

impl QuotaOverrides {
    /// What is in force for this tenant, if each limit can be meant.
    pub fn checked_over(&self, defaults: &TenantLimits) -> Result<TenantLimits, BadQuota> {
        let in_words =
            |bad: BadQuota| BadQuota { name: QuotaName::of_field(bad.name).map_or(bad.name, QuotaName::as_str), ..bad };
        self.over(defaults).checked().map_err(in_words)
    }

    /// What was set, in order.
    pub fn entries(&self) -> impl Iterator<Item = (QuotaName, u64)> {
        QuotaName::ALL.iter().filter_map(|name| Some((*name, self.get(*name)?)))
    }
}

impl FromIterator<(QuotaName, u64)> for QuotaOverrides {
    fn from_iter<T: IntoIterator<Item = (QuotaName, u64)>>(entries: T) -> Self {
        let mut overrides = Self::default();
        entries.into_iter().for_each(|(name, value)| overrides.set(name, value));
        overrides
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_in_force_and_the_rest_follows_the_host() {
        let overrides: QuotaOverrides = [(QuotaName::Requests, 5), (QuotaName::Memory, 1 << 30)].into_iter().collect();
        let host = TenantLimits { requests_max: 7, weight: 8, ..TenantLimits::default() };
        let limits = overrides.over(&host);
        assert_eq!((limits.requests_max, limits.memory_bytes_max, limits.weight), (5, 1 << 30, 8));
        assert_eq!(QuotaOverrides::default().over(&host), host);
        let entries: Vec<_> = overrides.entries().collect();
        assert_eq!(entries, [(QuotaName::Memory, 1 << 30), (QuotaName::Requests, 5)]);
    }

    #[test]
    fn every_limit_has_its_own_name_and_an_unknown_one_is_refused_with_all_of_them() {
        for name in QuotaName::ALL {
            assert_eq!(name.as_str().parse(), Ok(*name));
            let mut only = QuotaOverrides::default();
            only.set(*name, 41);
            assert_eq!(name.of(&only.over(&TenantLimits::default())), 41, "{name:?}");
            assert_eq!(only.entries().collect::<Vec<_>>(), [(*name, 41)]);
        }
        let refused = "memry".parse::<QuotaName>().unwrap_err().to_string();
        assert!(refused.starts_with("no limit is called 'memry': use memory, instances, "), "{refused}");
    }

    #[test]
    fn a_limit_that_cannot_be_meant_is_refused_by_the_name_it_was_set_under() {
        let check = |value, line: Option<&str>| {
            let set = QuotaOverrides::from_iter([(QuotaName::HttpRequests, value)]);
            let refused = set.checked_over(&TenantLimits::default()).err().map(|bad| bad.to_string());
            assert_eq!(refused.as_deref(), line);
        };
        check(0, Some("http-requests is 0: it must lie between 1 and 10000"));
        check(1, None);
        check(10_000, None);
        check(10_001, Some("http-requests is 10001: it must lie between 1 and 10000"));
    }

    #[test]
    fn what_is_in_use_is_the_share_that_is_out() {
        let budgets = TenantBudgets::new(&TenantLimits::default());
        let _held = budgets.storage_files.share(3).unwrap();
        assert_eq!(QuotaName::StorageFiles.used(&budgets), Some(3));
        assert_eq!(QuotaName::Storage.used(&budgets), Some(0));
        assert_eq!(QuotaName::Weight.used(&budgets), None);
    }
}
