//! The receiving side: what is on its way to a party, checked at the gate and put into its mailbox.

use std::sync::Arc;

use host_bus::{Handover, Inbound, Kept, NotTaken, Recalled, Verdict};
use host_gate::{Accepted, Arrival, Delivery, Gate, Keys, Receiver, Refused};
use host_ledger::Ledger;
use host_mailbox::Push;
use host_model::{Clock, DeathCause};

use crate::arrivals::{Arrivals, NotAccepted};
use crate::audit::{copied, not_accepted};
use crate::party::count;
use crate::{Mail, Party};

/// The way into one party's mailbox.
pub(crate) struct Door {
    pub(crate) gate: Gate,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) party: Arc<Party>,
    pub(crate) mail: Arc<dyn Mail>,
}

impl Inbound for Door {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        self.party.switch.check().map_err(|_| NotTaken::Refused)?;
        let grants = self.party.grants();
        let receiver = Receiver::Agent { caller: &self.party.caller, grants: &grants };
        let pushed = self.arrivals.accept_into(delivery, receiver, |accepted| self.push(accepted));
        match pushed.map_err(|NotAccepted| NotTaken::Refused)? {
            Ok(()) => Ok(()),
            Err(Push::Full(full)) => {
                count(&self.party.counters.dropped);
                Err(NotTaken::Full { len_max: full.len_max })
            }
            Err(Push::Closed | Push::WrongReceiver) => Err(NotTaken::Refused),
        }
    }

    fn take(&self, kept: &Kept<'_>) -> Handover {
        // It may be switched on again.
        if self.party.switch.check().is_err() {
            return Handover::Full;
        }
        match self.accept(kept).map(|accepted| self.push(accepted)) {
            Ok(Ok(())) => Handover::Taken,
            Ok(Err(Push::Full(_))) => Handover::Full,
            Ok(Err(Push::Closed | Push::WrongReceiver)) => Handover::Gone,
            Err(handover) => handover,
        }
    }
}

impl Door {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        self.party.tried_to_receive(&accepted.envelope().to);
        self.mail.push(accepted).inspect(|()| count(&self.party.counters.received))
    }

    /// Verify, then the memory of replays, then accept.
    fn accept(&self, kept: &Kept<'_>) -> Result<Accepted, Handover> {
        let verified = self.gate.verify(kept.delivery(), &*self.keys, Arrival::Kept).map_err(|why| self.not(&why))?;
        let Recalled::New(novelty) = kept.recall(&verified) else {
            copied(&self.ledger, &self.party.caller);
            return Err(Handover::Quarantined("copied"));
        };
        let grants = self.party.grants();
        let receiver = Receiver::Agent { caller: &self.party.caller, grants: &grants };
        self.gate.accept(verified, novelty, receiver, self.clock.now()).map_err(|why| self.not(&why))
    }

    /// What the present does not allow any more dies; what is not what was kept is for people to look at.
    fn not(&self, why: &Refused) -> Handover {
        not_accepted(&self.ledger, &self.party.caller, why);
        let cause = match why {
            // Of those who share the queue another may: it waits.
            Refused::QueueNotGranted => return Handover::Full,
            Refused::Expired => DeathCause::Expired,
            Refused::KeyRevoked { .. } => DeathCause::KeyRevoked,
            Refused::SubscribeNotGranted
            | Refused::FrameTooLarge { .. }
            | Refused::PayloadTooLarge { .. }
            | Refused::TooManyHeaders { .. }
            | Refused::HopLimit { .. } => DeathCause::Denied,
            _ => return Handover::Quarantined(why.code()),
        };
        Handover::Ended(Verdict::Dead { cause, detail: why.to_string() })
    }
}
