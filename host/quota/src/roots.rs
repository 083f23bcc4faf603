//! What became of one message: how many were sent because of it, however many agents they went through.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Roots that are counted at once. Where two fall into one place, the later one takes it, and the other is counted from one again.
const ROOTS_MAX: usize = 1_024;
/// Bits of the count in a place's word; the rest tell one root from another.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// One root has caused too many messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one message has caused {max} already")]
pub struct RootSpent {
    /// The most messages one root may cause.
    pub max: u64,
}

/// Messages counted by the first of their chain of causes. A loop of agents, or a fan-out that fans out, ends here: the hop limit
/// bounds how deep it goes, and this bounds how wide.
#[derive(Debug)]
pub struct Roots {
    places: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Roots {
    fn default() -> Self {
        Self { places: (0..ROOTS_MAX).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Roots {
    /// Counts one more message of a root, or refuses it. There is no time after which a root may cause more.
    pub fn count(&self, root: &impl Hash, max: u32) -> Result<(), RootSpent> {
        let max = u64::from(max).min(COUNT_MASK);
        // Keyed: which roots share a place is nobody's choice.
        let hash = self.hasher.hash_one(root);
        let tag = hash & !COUNT_MASK;
        let place = usize::try_from(hash & COUNT_MASK).unwrap_or_default() % ROOTS_MAX;
        let Some(place) = self.places.get(place) else { return Ok(()) };
        let counted_in = |word: u64| if word & !COUNT_MASK == tag { word & COUNT_MASK } else { 0 };
        let fits = |word: u64| Some(counted_in(word) + 1).filter(|count| *count <= max).map(|count| tag | count);
        place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map(drop).map_err(|_| RootSpent { max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_root_causes_so_many_messages_and_not_one_more() {
        let roots = Roots::default();
        assert!((0..5).all(|_| roots.count(&7, 5).is_ok()));
        assert_eq!(roots.count(&7, 5), Err(RootSpent { max: 5 }));
        assert_eq!(roots.count(&7, 5), Err(RootSpent { max: 5 }), "it stays so");
        assert_eq!(roots.count(&8, 5), Ok(()), "another has its own");
    }

    #[test]
    fn a_loop_is_stopped_while_thousands_of_other_roots_come_and_go() {
        let roots = Roots::default();
        let sent = (0..100_000).filter(|_| roots.count(&u128::MAX, 1_000).is_ok()).count();
        assert_eq!(sent, 1_000);
        assert!((0..100_000_u128).all(|root| roots.count(&root, 1_000).is_ok()));
        assert_eq!(roots.places.len(), ROOTS_MAX, "and the table is as large as before");
    }
}
