//! What the hostile tenant does: one message of its operator sets off all its agents, again and again until it is told to end.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests_kit::Api;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
pub(crate) static ATTACKS: [Attack; 7] = [
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
    async fn mount(self, foe: &Foe) {
        match self {
            Self::Loops => foe.set_off("spin", 2).await,
            Self::MemoryBomb => foe.set_off("grow", 2).await,
            Self::PublishFlood => foe.set_off("flood", 2).await,
            Self::LogFlood => foe.set_off("logs", 2).await,
            Self::TrapStorm => foe.set_off("trap", 12).await,
            Self::StorageStorm => foe.set_off("hoard", 2).await,
            Self::CompileBomb => bomb::deploy_for_ever(&foe.api, &foe.tenant).await,
        }
    }
}

/// Attacks that go on, from a thread of their own: the work of attacking must not hold up whoever looks how good tenants fare.
pub(crate) struct Raid {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Raid {
    /// Mounts all of these at once.
    pub(crate) fn begin(town: &Town, attacks: &'static [Attack]) -> Self {
        let (end, ended) = oneshot::channel();
        let (url, token, tenant) = (town.host.url.clone(), town.host.token.clone(), town.hostile().to_owned());
        let task = town.task(&tenant, 0, MIB);
        let thread = thread::spawn(move || {
            let foe = Foe { api: Api::new(&url, Some(&token)), tenant, task };
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => {}
                    _ = join_all(attacks.iter().map(|attack| attack.mount(&foe))), if !attacks.is_empty() => {}
                }
            });
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Raid {
    fn drop(&mut self) {
        // Whoever panicked has said so.
        let _ = self.end.take().map(|end| end.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The hostile tenant's operator.
struct Foe {
    api: Api,
    tenant: String,
    task: Value,
}

impl Foe {
    /// Publishes to all agents of the tenant at once, so many times at each turn.
    async fn set_off(&self, kind: &str, times: u32) {
        let mut turns = interval(SET_OFF_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 0.. {
            if number % times == 0 {
                turns.tick().await;
            }
            self.publish(if number % HARMLESS_EACH == HARMLESS_EACH - 1 { "noise" } else { kind }).await;
        }
    }

    /// Refused or not: an attacker goes on.
    async fn publish(&self, kind: &str) {
        let body = json!({ "topic": "load.noise", "type": kind, "payload": self.task });
        let path = format!("/api/topics/messages?tenant={}", self.tenant);
        let _ = self.api.try_call("POST", &path, Some(&body)).await;
    }
}
