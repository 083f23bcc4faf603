//! What one agent may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How an agent's instances live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunMode {
    /// A fresh instance for each message.
    #[default]
    PerMessage,
    /// One instance that stays, with its memory.
    Resident,
}

/// A limit that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limits.{name} is {value}: it must lie between {min} and {max}")]
pub struct BadLimit {
    /// Which limit, as the manifest names it.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The least that is allowed.
    pub min: u64,
    /// The most that is allowed.
    pub max: u64,
}

/// What one agent may use. Each limit bites; zero and absurd values do not load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes_max: usize,
    /// Guest instructions and priced host calls for one message.
    pub fuel_per_message: u64,
    /// Wall time for one message, waiting included.
    pub deadline: Duration,
    /// Calls of this agent at once. A resident agent has one.
    pub concurrency_max: u32,
    /// Messages that wait for this agent.
    pub mailbox_len_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 16 << 20,
            fuel_per_message: 100_000_000,
            deadline: Duration::from_secs(10),
            concurrency_max: 4,
            mailbox_len_max: 256,
        }
    }
}

impl Limits {
    /// The limits themselves, if each can be meant.
    pub fn checked(self) -> Result<Self, BadLimit> {
        check("memory", self.memory_bytes_max as u64, 64 << 10, 64 << 20)?;
        check("fuel", self.fuel_per_message, 10_000, 1_000_000_000_000)?;
        check("deadline", u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX), 1, 600_000)?;
        check("concurrency", self.concurrency_max.into(), 1, 256)?;
        check("mailbox", self.mailbox_len_max.into(), 1, 65_536)?;
        Ok(self)
    }
}

fn check(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), BadLimit> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(BadLimit { name, value, min, max }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_absurd_limits_do_not_load() {
        let bad = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.checked().map_err(|bad| bad.name)
        };
        assert_eq!(bad(|_| ()), Ok(Limits::default()));
        assert_eq!(bad(|l| l.memory_bytes_max = 0), Err("memory"));
        assert_eq!(bad(|l| l.memory_bytes_max = 64 << 20).map(|_| ()), Ok(()));
        assert_eq!(bad(|l| l.memory_bytes_max = (64 << 20) + 1), Err("memory"));
        assert_eq!(bad(|l| l.fuel_per_message = 0), Err("fuel"));
        assert_eq!(bad(|l| l.fuel_per_message = u64::MAX), Err("fuel"));
        assert_eq!(bad(|l| l.deadline = Duration::ZERO), Err("deadline"));
        assert_eq!(bad(|l| l.deadline = Duration::MAX), Err("deadline"));
        assert_eq!(bad(|l| l.concurrency_max = 0), Err("concurrency"));
        assert_eq!(bad(|l| l.mailbox_len_max = 0), Err("mailbox"));
    }
}
