//! How much an agent keeps, against its tenant's budgets: the lengths of its files, and how many files and directories.

use std::io;

use cap_std::fs::Dir;
use host_calls::Refusal;
use host_quota::{Share, TenantBudgets};

use super::entry::{Kind, enter, kind};
use crate::refusal::over_quota;

/// Directories in each other that are counted: no agent makes deeper ones.
const DEPTH_MAX: usize = 16;

/// Files and directories, and the bytes of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Size {
    /// What a name in a directory counts for; a directory without what is in it.
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Nothing | Kind::Foreign => Self::default(),
            Kind::Directory => Self { files: 1, bytes: 0 },
            Kind::File(bytes) => Self { files: 1, bytes },
        }
    }

    /// What is over when `other` is taken away, each at least 0.
    pub(super) fn less(self, other: Self) -> Self {
        Self { files: self.files.saturating_sub(other.files), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// All that lies below a directory.
pub(super) fn below(dir: &Dir) -> io::Result<Size> {
    below_at(dir, 0)
}

fn below_at(dir: &Dir, depth: usize) -> io::Result<Size> {
    let mut size = Size::default();
    if depth == DEPTH_MAX {
        return Ok(size);
    }
    for found in dir.entries()? {
        let name = found?.file_name();
        let Some(name) = name.to_str() else { continue };
        let kind = kind(dir, name)?;
        let inner = match kind {
            Kind::Directory => enter(dir, name)?.map_or(Ok(Size::default()), |inner| below_at(&inner, depth + 1))?,
            Kind::Nothing | Kind::File(_) | Kind::Foreign => Size::default(),
        };
        let own = Size::of(kind);
        size.files += own.files + inner.files;
        size.bytes += own.bytes + inner.bytes;
    }
    Ok(size)
}

/// What an agent keeps now.
pub(super) struct Held {
    budgets: TenantBudgets,
    files: Share,
    bytes: Share,
}

/// Room for what is about to be made; dropped, it is given back.
pub(super) struct Growth {
    files: Share,
    bytes: Share,
}

impl Held {
    /// Nothing yet.
    pub(super) fn nothing(budgets: &TenantBudgets) -> Self {
        let (files, bytes) = (budgets.storage_files.found(0), budgets.storage_bytes.found(0));
        Self { budgets: budgets.clone(), files, bytes }
    }

    /// What was there at a start, also past the quota.
    pub(super) fn found(&mut self, size: Size) {
        self.files.absorb(self.budgets.storage_files.found(size.files));
        self.bytes.absorb(self.budgets.storage_bytes.found(size.bytes));
    }

    /// Room for what is to come in the place of what is to go.
    pub(super) fn reserve(&self, came: Size, went: Size) -> Result<Growth, Refusal> {
        let size = came.less(went);
        let files = self.budgets.storage_files.share(size.files).map_err(|over| over_quota("storage-files", over))?;
        let bytes = self.budgets.storage_bytes.share(size.bytes).map_err(|over| over_quota("storage-bytes", over))?;
        Ok(Growth { files, bytes })
    }

    /// Once it is done: what came is held, and what went, beyond what came in its place, is given back.
    pub(super) fn settle(&mut self, growth: Growth, came: Size, went: Size) {
        self.files.absorb(growth.files);
        self.bytes.absorb(growth.bytes);
        self.give_back(went.less(came));
    }

    /// What is gone.
    pub(super) fn give_back(&mut self, size: Size) {
        self.files.shrink(size.files);
        self.bytes.shrink(size.bytes);
    }
}
