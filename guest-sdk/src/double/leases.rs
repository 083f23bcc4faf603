//! Leases that live as long as their double, whose clock stands still: none runs out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Denied, Lease, Leases};

/// Leases in memory.
#[derive(Default)]
pub(super) struct MemoryLeases {
    held: RefCell<BTreeMap<String, Lease>>,
    granted: Cell<u64>,
}

impl MemoryLeases {
    /// Another agent has this lease.
    pub(super) fn taken(&self, name: &str, holder: &str) {
        let lease =
            Lease { holder: holder.to_owned(), mine: false, token: self.next(), remaining: Duration::from_mins(1) };
        self.held.borrow_mut().insert(name.to_owned(), lease);
    }

    fn next(&self) -> u64 {
        self.granted.set(self.granted.get() + 1);
        self.granted.get()
    }

    fn mine(&self, name: &str) -> Option<Lease> {
        self.held.borrow().get(name).filter(|lease| lease.mine).cloned()
    }
}

impl Leases for &MemoryLeases {
    fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, Denied> {
        if self.held.borrow().contains_key(name) {
            return self.renew(name, ttl);
        }
        let lease = Lease { holder: "agent".to_owned(), mine: true, token: self.next(), remaining: ttl };
        self.held.borrow_mut().insert(name.to_owned(), lease.clone());
        Ok(Some(lease))
    }

    fn renew(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, Denied> {
        let renewed = self.mine(name).map(|lease| Lease { remaining: ttl, ..lease });
        if let Some(lease) = &renewed {
            self.held.borrow_mut().insert(name.to_owned(), lease.clone());
        }
        Ok(renewed)
    }

    fn release(&self, name: &str) -> Result<bool, Denied> {
        let mine = self.mine(name).is_some();
        if mine {
            self.held.borrow_mut().remove(name);
        }
        Ok(mine)
    }

    fn current(&self, name: &str) -> Result<Option<Lease>, Denied> {
        Ok(self.held.borrow().get(name).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(3);

    #[test]
    fn it_grants_renews_and_gives_back_as_the_host_does() {
        let kept = MemoryLeases::default();
        let leases = &kept;
        let first = leases.acquire("a", TTL).expect("a double grants").expect("nobody has it");
        assert_eq!(leases.acquire("a", TTL).expect("a double grants"), Some(first.clone()));
        assert_eq!(leases.release("a"), Ok(true));
        assert_eq!((leases.release("a"), leases.renew("a", TTL)), (Ok(false), Ok(None)));
        let second = leases.acquire("a", TTL).expect("a double grants").expect("nobody has it");
        assert!(second.token > first.token);
        kept.taken("b", "other");
        assert_eq!((leases.acquire("b", TTL), leases.release("b")), (Ok(None), Ok(false)));
        assert_eq!(leases.current("b").expect("a double looks").expect("another has it").holder, "other");
    }
}
