//! Room on the disk that agents do not get: the host's own records (control state, audit) must go on when theirs are full.

use std::fs::File;
use std::path::Path;

use host_calls::Refusal;
use rustix::io::Errno;

use crate::StoreError;
use crate::files::io_error;
use crate::refusal::{disk_full, failed};

/// What agents leave free on the disk, in bytes.
const RESERVED_BYTES: u64 = 128 << 20;

/// The file system of a path, of which agents leave so many bytes free.
pub(crate) struct Reserve {
    on: File,
    bytes: u64,
}

impl Reserve {
    /// The house's reserve on the file system of a path.
    pub(crate) fn of(path: &Path) -> Result<Self, StoreError> {
        Self::with(path, RESERVED_BYTES)
    }

    pub(crate) fn with(path: &Path, bytes: u64) -> Result<Self, StoreError> {
        Ok(Self { on: File::open(path).map_err(io_error("open", path))?, bytes })
    }

    /// Whether so many bytes more leave the reserve alone. Looks at the disk as it is now, so it is near and not exact.
    pub(crate) fn check(&self, asked: u64) -> Result<(), Refusal> {
        let left = self.left().map_err(|error| failed("disk", &error))?;
        if asked <= left { Ok(()) } else { Err(disk_full(left, asked)) }
    }

    /// Bytes that are free besides the reserve.
    pub(crate) fn left(&self) -> Result<u64, Errno> {
        let disk = rustix::fs::fstatvfs(&self.on)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_get_no_room_that_the_host_reserves() {
        let dir = tempfile::tempdir().unwrap();
        let check = |reserved: u64, asked: u64| Reserve::with(dir.path(), reserved).unwrap().check(asked);
        assert_eq!(check(0, 1), Ok(()));
        assert!(matches!(check(0, u64::MAX), Err(Refusal::Unavailable(numbers)) if numbers.code == "disk-full"));
        assert!(matches!(check(u64::MAX, 1), Err(Refusal::Unavailable(numbers)) if numbers.limit == Some(0)));
    }
}
