//! A principal that sends and receives, as the courier knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use host_gate::Accepted;
use host_mailbox::Push;
use host_model::{Caller, Destination, Grants, LeaseScope, Queue};
use host_quota::{Budget, TenantLimits, TenantRates};

use crate::held::Held;
use crate::{Shadow, Switch};

/// Takes accepted messages for one receiver. Implemented by the scheduler.
pub trait Mail: Send + Sync {
    /// Puts a message into the receiver's mailbox. Never waits.
    fn push(&self, accepted: Accepted) -> Result<(), Push>;
}

/// One start of an agent, or the operator at work in a tenant.
pub struct Party {
    /// Who it is.
    pub caller: Arc<Caller>,
    grants: ArcSwap<Grants>,
    shadow: ArcSwapOption<Shadow>,
    /// Requests its tenant may have open.
    pub requests: Arc<Budget>,
    /// HTTP requests its tenant may have under way.
    pub http: Arc<Budget>,
    /// Whether one store does all its work, so that a request to itself would wait for itself.
    pub single_store: bool,
    /// What it did. Shared by the starts of one agent.
    pub counters: Arc<Counters>,
    pub(crate) switch: Arc<Switch>,
    /// What its tenant may do in a second or a day.
    pub rates: Arc<TenantRates>,
    pub(crate) seq: AtomicU64,
    pub(crate) held: Held,
}

impl Party {
    /// A party that has sent nothing yet and may call no other host, with rates of its own: a tenant's defaults, until
    /// [`within`](Self::within) says whose.
    pub fn new(
        caller: Arc<Caller>,
        grants: Grants,
        requests: Arc<Budget>,
        single_store: bool,
        counters: Arc<Counters>,
    ) -> Self {
        let grants = ArcSwap::from_pointee(grants);
        let held = Held::none_in(LeaseScope::of(caller.agent(), None));
        Self {
            caller,
            grants,
            shadow: ArcSwapOption::empty(),
            requests,
            http: Budget::new(0),
            single_store,
            counters,
            switch: Arc::default(),
            rates: Arc::new(TenantRates::new(&TenantLimits::default())),
            seq: AtomicU64::new(0),
            held,
        }
    }

    /// What it may reach now: what its manifest asks for and its tenant's policy allows.
    pub fn grants(&self) -> Guard<Arc<Grants>> {
        self.grants.load()
    }

    /// Its tenant's policy changed.
    pub fn set_grants(&self, grants: Grants) {
        self.grants.store(Arc::new(grants));
    }

    /// Counts from now on what this policy would have denied; `None` ends that.
    pub fn set_shadow(&self, shadow: Option<Arc<Shadow>>) {
        self.shadow.store(shadow);
    }

    pub(crate) fn tried_to_send(&self, to: &Destination) {
        match to {
            Destination::Topic(topic) => self.tried("publish", topic, |grants| grants.may_publish(topic)),
            Destination::Queue(queue) => self.tried("send", queue, |grants| grants.may_send(queue)),
            Destination::Reply { .. } => {}
        }
    }

    pub(crate) fn tried_to_receive(&self, to: &Destination) {
        match to {
            Destination::Topic(topic) => self.tried("subscribe", topic, |grants| grants.may_receive(topic)),
            Destination::Queue(Queue::Agent(_)) | Destination::Reply { .. } => {}
            Destination::Queue(queue) => self.tried("queues", queue, |grants| grants.may_take(queue)),
        }
    }

    /// Something was allowed: a policy that is being tried may have denied it.
    pub(crate) fn tried(&self, key: &'static str, what: &dyn std::fmt::Display, allowed: impl Fn(&Grants) -> bool) {
        if let Some(shadow) = &*self.shadow.load()
            && !allowed(&shadow.grants)
        {
            shadow.tally.count(self.caller.agent(), key, what);
        }
    }

    /// It may have so many HTTP requests under way, within its grants.
    #[must_use]
    pub fn with_http(self, http: Arc<Budget>) -> Self {
        Self { http, ..self }
    }

    /// The same party, spending from its tenant's rates.
    #[must_use]
    pub fn within(self, rates: Arc<TenantRates>) -> Self {
        Self { rates, ..self }
    }

    /// The same party, as a member of a group: its leases are the group's.
    #[must_use]
    pub fn in_scope(self, scope: LeaseScope) -> Self {
        Self { held: Held::none_in(scope), ..self }
    }

    /// The same party, under a switch that others hold too.
    #[must_use]
    pub fn switched_by(self, switch: Arc<Switch>) -> Self {
        Self { switch, ..self }
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
