//! A principal that sends and receives, as the courier knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use host_gate::Accepted;
use host_mailbox::Push;
use host_model::{Caller, Grants};
use host_quota::{Budget, TenantLimits, TenantRates};

/// Takes accepted messages for one receiver. Implemented by the scheduler.
pub trait Mail: Send + Sync {
    /// Puts a message into the receiver's mailbox. Never waits.
    fn push(&self, accepted: Accepted) -> Result<(), Push>;
}

/// One start of an agent, or the operator at work in a tenant.
pub struct Party {
    /// Who it is.
    pub caller: Arc<Caller>,
    /// What it may reach.
    pub grants: Grants,
    /// Requests its tenant may have open.
    pub requests: Arc<Budget>,
    /// Whether one store does all its work, so that a request to itself would wait for itself.
    pub single_store: bool,
    /// What it did. Shared by the starts of one agent.
    pub counters: Arc<Counters>,
    /// What its tenant may do in a second or a day.
    pub rates: Arc<TenantRates>,
    pub(crate) seq: AtomicU64,
}

impl Party {
    /// A party that has sent nothing yet, with rates of its own: a tenant's defaults, until [`within`](Self::within) says whose.
    pub fn new(
        caller: Arc<Caller>,
        grants: Grants,
        requests: Arc<Budget>,
        single_store: bool,
        counters: Arc<Counters>,
    ) -> Self {
        let rates = Arc::new(TenantRates::new(&TenantLimits::default()));
        Self { caller, grants, requests, single_store, counters, rates, seq: AtomicU64::new(0) }
    }

    /// The same party, spending from its tenant's rates.
    #[must_use]
    pub fn within(self, rates: Arc<TenantRates>) -> Self {
        Self { rates, ..self }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an agent did since the host started.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        /// [`Counters`] at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct CountersView {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// All counts now.
            pub fn view(&self) -> CountersView {
                CountersView { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Messages that reached its mailbox.
    received,
    /// Messages it handled.
    handled,
    /// Messages whose handling failed: cut off, rejected, or to be tried again.
    failed,
    /// Messages it published or sent.
    published,
    /// Requests it made.
    requested,
    /// Requests it answered.
    replied,
    /// Its calls that were refused.
    refused,
    /// Messages for it that were lost: its mailbox was full, or it was stopped.
    dropped,
    /// Fuel it used.
    fuel_total,
    /// Wall time of its handling, waiting included, in microseconds.
    handle_micros_total,
    /// Times a resident instance of it was started again after it was cut off.
    restarts,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
