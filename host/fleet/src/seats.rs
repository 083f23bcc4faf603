//! The seats of an agent that runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use crate::seat::Seat;

/// Changes only while somebody leads: who is deposed is replaced.
pub(crate) struct Seats(Mutex<Vec<Arc<Seat>>>);

impl Seats {
    pub(crate) fn new(seats: Vec<Arc<Seat>>) -> Self {
        Self(Mutex::new(seats))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Seat>> {
        self.0.lock().clone()
    }

    /// The one that leads, or else the first.
    pub(crate) fn first(&self) -> Option<Arc<Seat>> {
        let leads =
            |seat: &&Arc<Seat>| seat.desk.birth.leads.as_ref().is_some_and(|leads| leads.load(Ordering::Relaxed));
        let seats = self.0.lock();
        seats.iter().find(leads).or_else(|| seats.first()).cloned()
    }

    pub(crate) fn add(&self, seat: Arc<Seat>) {
        self.0.lock().push(seat);
    }

    pub(crate) fn remove(&self, seat: &Arc<Seat>) {
        self.0.lock().retain(|other| !Arc::ptr_eq(other, seat));
    }
}
