//! The receiving side of whoever takes messages on the sender's own thread.

use host_gate::{Accepted, Arrival, Delivery, Gate, NoKeys, Novelty, Receiver, Refused};
use host_model::Timestamp;

/// Verifies and accepts what never left the process.
///
/// Without keys, whatever is sealed is refused here: who takes in bytes from a disk or a wire asks the memory of replays first, and
/// that waits.
pub(crate) fn take(
    gate: &Gate,
    delivery: Delivery,
    receiver: Receiver<'_>,
    now: Timestamp,
) -> Result<Accepted, Refused> {
    let verified = gate.verify(delivery, &NoKeys, Arrival::Kept)?;
    gate.accept(verified, Novelty::First, receiver, now)
}
