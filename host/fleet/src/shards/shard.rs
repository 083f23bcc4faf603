//! One core's share of the tenants: their mailboxes, the lane where their calls begin, and the one where long calls go on.

use std::sync::Arc;

use host_gate::Accepted;
use host_mailbox::{Address, Open, Push, Weight};
use host_model::TenantId;

use super::lane::{Call, Home, Lane};
use super::{Runner, Work};

/// One core's share of the tenants.
pub struct Shard {
    front: Arc<Lane>,
    bulk: Arc<Lane>,
}

impl Shard {
    pub(super) fn new() -> Self {
        let bulk = Lane::new(None);
        Self { front: Lane::new(Some(bulk.clone())), bulk }
    }

    pub(super) fn front(&self) -> &Arc<Lane> {
        &self.front
    }

    pub(super) fn bulk(&self) -> &Arc<Lane> {
        &self.bulk
    }

    pub(super) fn set_weight(&self, tenant: &TenantId, weight: Weight) {
        for lane in [&self.front, &self.bulk] {
            lane.change(|state| state.mailbox.set_weight(tenant, weight));
        }
    }

    /// Opens a receiver's mailbox, held: see [`host_mailbox::Mailbox::open`].
    pub fn open(&self, open: Open, runner: Arc<dyn Runner>) -> Address {
        self.front.change(|state| {
            let address = state.mailbox.open(open);
            state.runners.insert(address, runner);
            address
        })
    }

    /// Closes a mailbox and hands back what waited in it. Calls that are still under way are dropped at their next turn.
    pub fn close(&self, address: Address) -> Vec<Accepted> {
        self.front.change(|state| {
            state.runners.remove(&address);
            state.closed.push(Home { lane: self.front.clone(), address });
            state.mailbox.close(address)
        })
    }

    /// Puts a message into a mailbox.
    pub fn push(&self, address: Address, accepted: Accepted) -> Result<(), Push> {
        self.front.change(|state| state.mailbox.push(address, accepted))
    }

    /// Lets a mailbox deliver.
    pub fn release(&self, address: Address) {
        self.front.change(|state| state.mailbox.release(address));
    }

    /// Messages that wait, and messages that are being handled.
    pub fn load(&self, address: Address) -> (usize, u32) {
        self.front.load(address)
    }

    /// Runs guest work that is no message, in its tenant's turn.
    pub fn spawn(&self, tenant: &TenantId, work: Work) {
        self.front.take(Call { tenant: tenant.clone(), work, home: None, ran_nanos: 0, counted: None });
    }
}
