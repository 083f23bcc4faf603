//! At the receiver's side, before anybody is named: whether a delivery is what the host sealed, and arrived where it was sent.

use std::sync::Arc;

use host_model::{Envelope, KeyId, TenantId, Timestamp};

use crate::denied::Refused;
use crate::frame::{self, Frame};
use crate::keys::{KeyRefused, Keys};
use crate::mac_input::MacInput;
use crate::{Delivery, Gate, Verified};

/// The oldest message that may enter the system, in milliseconds.
const PAST_MILLIS_MAX: u64 = 300_000;
/// How far the clock of its sender may be ahead of ours, in milliseconds.
const AHEAD_MILLIS_MAX: u64 = 30_000;
/// How long after a key's retirement hosts may still sign with it: until they have heard of it. In milliseconds.
const OVERLAP_MILLIS_MAX: u64 = 300_000;

/// From where a delivery comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From outside of the system: it must be fresh.
    Ingress {
        /// The time.
        now: Timestamp,
    },
    /// From where the system kept it: it may have waited there for any time.
    Kept,
}

impl Gate {
    /// Decides whether a delivery is what the host sealed and where it was sent.
    ///
    /// Order: length and form, tenant of the subject, key, signature, destination, hop, freshness. Whoever receives is compared in
    /// [`accept`](Self::accept), because one message may have several receivers. A local delivery still carries its stamp and passes.
    pub fn verify(&self, delivery: Delivery, keys: &dyn Keys, arrival: Arrival) -> Result<Verified, Refused> {
        match delivery {
            Delivery::Local(stamped) => Ok(Verified::local(stamped)),
            Delivery::Sealed { tenant, address, bytes } => {
                let frame = frame::read(&bytes, &self.limits)?;
                check_tenant(tenant, &frame.envelope)?;
                check_signature(&frame, keys)?;
                check_address(address, &frame.envelope)?;
                self.check_hop(frame.envelope.hop)?;
                check_fresh(frame.envelope.timestamp, arrival)?;
                Ok(Verified::opened(Arc::new(frame.envelope)))
            }
        }
    }

    fn check_hop(&self, hop: u16) -> Result<(), Refused> {
        let hop_max = self.limits.hop_max;
        if hop <= hop_max { Ok(()) } else { Err(Refused::HopLimit { hop, hop_max }) }
    }
}

fn check_tenant(subject: TenantId, envelope: &Envelope) -> Result<(), Refused> {
    if subject == envelope.tenant {
        return Ok(());
    }
    Err(Refused::ForeignTenant { sent_in: envelope.tenant.clone(), received_in: subject })
}

fn check_signature(frame: &Frame, keys: &dyn Keys) -> Result<(), Refused> {
    let Frame { envelope, encoding, key, signature } = frame;
    let verifying = keys.verifying(&envelope.tenant, *key, &envelope.sender).map_err(|why| key_refused(*key, why))?;
    if !verifying.mac.is_signature(&MacInput::encoded(envelope, *key, *encoding), signature) {
        return Err(Refused::BadSignature { key: *key });
    }
    match verifying.retired {
        Some(retired) if envelope.timestamp.as_millis() > retired.as_millis().saturating_add(OVERLAP_MILLIS_MAX) => {
            Err(Refused::KeyRetired { key: *key, retired, signed: envelope.timestamp })
        }
        _ => Ok(()),
    }
}

fn key_refused(key: KeyId, why: KeyRefused) -> Refused {
    match why {
        KeyRefused::Unknown => Refused::KeyUnknown { key },
        KeyRefused::NotForSender => Refused::KeyNotForSender { key },
        KeyRefused::Revoked => Refused::KeyRevoked { key },
    }
}

/// The destination is signed, so that a message cannot be sent a second time to somebody else.
fn check_address(address: String, envelope: &Envelope) -> Result<(), Refused> {
    if address == envelope.to.to_string() {
        return Ok(());
    }
    Err(Refused::WrongSubject { to: envelope.to.clone(), address })
}

fn check_fresh(stamped: Timestamp, arrival: Arrival) -> Result<(), Refused> {
    let Arrival::Ingress { now } = arrival else { return Ok(()) };
    let (stamped_ms, now_ms) = (stamped.as_millis(), now.as_millis());
    let fresh = now_ms.saturating_sub(PAST_MILLIS_MAX)..=now_ms.saturating_add(AHEAD_MILLIS_MAX);
    if fresh.contains(&stamped_ms) {
        return Ok(());
    }
    Err(Refused::Clock { stamped, now, past_ms_max: PAST_MILLIS_MAX, ahead_ms_max: AHEAD_MILLIS_MAX })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod vectors;
