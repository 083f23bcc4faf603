//! State, files and leases, by way of the component's imports.

use std::time::Duration;

use super::bindings::inbox::bailiwick::{leases::leases, state::store, storage::files};
use super::convert::saturating_ms;
use crate::{Denied, Entry, EntryPage, KeyPage, Lease, Leases, Stat, State, Storage};

/// Carries each call to the import of the same name.
pub(super) struct Kept;

fn millis(ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

impl State for Kept {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Denied> {
        Ok(store::get(key)?)
    }

    fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Denied> {
        Ok(store::set(key, value, millis(ttl))?)
    }

    fn delete(&self, key: &str) -> Result<bool, Denied> {
        Ok(store::delete(key)?)
    }

    fn keys(&self, prefix: &str, after: Option<&str>) -> Result<KeyPage, Denied> {
        let page = store::keys(prefix, after)?;
        Ok(KeyPage { keys: page.keys, next: page.next })
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, Denied> {
        Ok(store::increment(key, delta)?)
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, Denied> {
        Ok(store::compare_and_set(key, expected, value, millis(ttl))?)
    }
}

impl From<files::FileStat> for Stat {
    fn from(stat: files::FileStat) -> Self {
        Self { is_directory: stat.is_directory, len: stat.len }
    }
}

impl Storage for Kept {
    fn read(&self, path: &str, offset: u64, len: u32) -> Result<Vec<u8>, Denied> {
        Ok(files::read(path, offset, len)?)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Denied> {
        Ok(files::write(path, bytes)?)
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Denied> {
        Ok(files::append(path, bytes)?)
    }

    fn remove(&self, path: &str) -> Result<(), Denied> {
        Ok(files::remove(path)?)
    }

    fn list(&self, directory: &str, after: Option<&str>) -> Result<EntryPage, Denied> {
        let page = files::list(directory, after)?;
        let entry = |entry: files::Entry| Entry { name: entry.name, stat: entry.stat.into() };
        Ok(EntryPage { entries: page.entries.into_iter().map(entry).collect(), next: page.next })
    }

    fn stat(&self, path: &str) -> Result<Stat, Denied> {
        Ok(files::stat(path)?.into())
    }

    fn make_dir(&self, path: &str) -> Result<(), Denied> {
        Ok(files::make_dir(path)?)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Denied> {
        Ok(files::rename(from, to)?)
    }
}

impl From<leases::Lease> for Lease {
    fn from(lease: leases::Lease) -> Self {
        let leases::Lease { holder, mine, token, remaining_ms } = lease;
        Self { holder, mine, token, remaining: Duration::from_millis(remaining_ms.into()) }
    }
}

impl Leases for Kept {
    fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, Denied> {
        Ok(leases::acquire(name, saturating_ms(ttl))?.map(Lease::from))
    }

    fn renew(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, Denied> {
        Ok(leases::renew(name, saturating_ms(ttl))?.map(Lease::from))
    }

    fn release(&self, name: &str) -> Result<bool, Denied> {
        Ok(leases::release(name)?)
    }

    fn current(&self, name: &str) -> Result<Option<Lease>, Denied> {
        Ok(leases::current(name)?.map(Lease::from))
    }
}
