//! Carries stamped messages to those who subscribe.
//!
//! A [`Bus`] takes only [`host_gate::Stamped`], so that nothing unchecked is carried, and hands on only [`host_gate::Delivery`],
//! which the receiving side checks again. [`Subject`] is the one place that writes a wire address.

mod backoff;
mod bus;
mod carried;
mod embedded;
mod journal;
mod keeper;
mod kept;
mod leases;
mod nats;
mod queues;
mod replay;
mod sharing;
mod subject;

pub use bus::{Bus, BusError, Forgetting, Inbound, Interest, Keeping, Member, NotTaken, Subscribe, SubscriptionId};
pub use embedded::EmbeddedBus;
pub use journal::{
    Change, Changed, Death, Depth, Journal, JournalError, Keep, Letter, LetterId, Letters, Place, Waiting,
};
pub use keeper::{Keeper, KeeperParts};
pub use kept::{Handover, Kept, Verdict};
pub use leases::{
    Acquired, EmbeddedLeases, Fenced, Holder, LEASE_NAMES_MAX, Lease, LeaseError, LeaseRepository, LeaseTtl, Leases,
};
pub use nats::accounts;
pub use nats::{
    BadCredentials, Class, Fences, HostId, NatsBus, NatsCredentials, NatsError, NatsLeases, NatsParts, NatsSettings,
};
pub use nats::{SharedState, SharedStateError, StateCell, StateChange, StateEntry, StateFound, StateHeld, StateTo};
pub use queues::{Binding, KeepHealth, Notices, QueueLimits, QueueView};
pub use replay::{Position, Recalled, ReplayError, ReplayMemory};
pub use sharing::shard_of;
pub use subject::Subject;
