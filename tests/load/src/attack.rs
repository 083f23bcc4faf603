//! What the hostile tenant does: one message of its operator sets off all its agents, again and again until it is told to end.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::bomb;
use crate::town::Town;

/// How often the agents are set off.
const SET_OFF_EVERY: Duration = Duration::from_millis(100);
/// What one agent of a memory bomb asks for: all that one instance may have.
const MIB: u64 = 64;
/// Every so manieth message is harmless: what succeeds now and then is not slowed down for its failures.
const HARMLESS_EACH: u32 = 4;

/// One way to be a bad neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Attack {
    Loops,
    MemoryBomb,
    PublishFlood,
    LogFlood,
    TrapStorm,
    StorageStorm,
    CompileBomb,
}

/// In the order in which they are mounted.
pub(crate) const ATTACKS: [Attack; 7] = [
    Attack::Loops,
    Attack::MemoryBomb,
    Attack::PublishFlood,
    Attack::LogFlood,
    Attack::TrapStorm,
    Attack::StorageStorm,
    Attack::CompileBomb,
];

impl Attack {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loops => "loops",
            Self::MemoryBomb => "memory bomb",
            Self::PublishFlood => "publish flood",
            Self::LogFlood => "log flood",
            Self::TrapStorm => "trap storm",
            Self::StorageStorm => "storage storm",
            Self::CompileBomb => "compile bomb",
        }
    }

    /// Goes on until it is dropped.
    pub(crate) async fn mount(self, town: &Town) {
        match self {
            Self::Loops => set_off(town, "spin", 2).await,
            Self::MemoryBomb => set_off(town, "grow", 2).await,
            Self::PublishFlood => set_off(town, "flood", 2).await,
            Self::LogFlood => set_off(town, "logs", 2).await,
            Self::TrapStorm => set_off(town, "trap", 12).await,
            Self::StorageStorm => set_off(town, "hoard", 2).await,
            Self::CompileBomb => bomb::deploy_for_ever(town).await,
        }
    }
}

/// Publishes to all agents of the tenant at once, so many times at each turn.
async fn set_off(town: &Town, kind: &str, times: u32) {
    let mut turns = interval(SET_OFF_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for number in 0.. {
        if number % times == 0 {
            turns.tick().await;
        }
        let kind = if number % HARMLESS_EACH == HARMLESS_EACH - 1 { "noise" } else { kind };
        publish(town, kind).await;
    }
}

/// Refused or not: an attacker goes on.
async fn publish(town: &Town, kind: &str) {
    let tenant = town.hostile();
    let body = json!({ "topic": "load.noise", "type": kind, "payload": town.task(tenant, 0, MIB) });
    let _ = town.host.api.try_call("POST", &format!("/api/topics/messages?tenant={tenant}"), Some(&body)).await;
}
