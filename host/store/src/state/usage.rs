//! How much a tenant keeps, against its budgets.

use host_calls::Refusal;
use host_model::TenantId;
use host_quota::{Share, TenantBudgets};
use sqlx::{Row, SqlitePool};

use crate::StoreError;
use crate::refusal::over_quota;

/// Keys, and the bytes of keys and values together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) keys: u64,
    pub(super) bytes: u64,
}

impl Size {
    /// One key with its value.
    pub(super) fn of(key: &str, value: &[u8]) -> Self {
        Self { keys: 1, bytes: (key.len() + value.len()) as u64 }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, bytes: self.bytes + other.bytes }
    }

    /// What is over when `other` is taken away, each at least 0.
    pub(super) fn less(self, other: Self) -> Self {
        Self { keys: self.keys.saturating_sub(other.keys), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// What a tenant keeps now.
pub(super) struct Held {
    keys: Share,
    bytes: Share,
}

/// Room for what is about to be kept; dropped, it is given back.
pub(super) struct Growth {
    keys: Share,
    bytes: Share,
}

impl Growth {
    pub(super) fn reserve(budgets: &TenantBudgets, size: Size) -> Result<Self, Refusal> {
        let keys = budgets.state_keys.share(size.keys).map_err(|over| over_quota("state-keys", over))?;
        let bytes = budgets.state_bytes.share(size.bytes).map_err(|over| over_quota("state-bytes", over))?;
        Ok(Self { keys, bytes })
    }
}

impl Held {
    /// What was there at a start.
    pub(super) fn found(budgets: &TenantBudgets, size: Size) -> Self {
        Self { keys: budgets.state_keys.found(size.keys), bytes: budgets.state_bytes.found(size.bytes) }
    }

    /// Once it is committed: what came is held, and what went, beyond what came in its place, is given back.
    pub(super) fn settle(&mut self, growth: Option<Growth>, went: Size, came: Size) {
        if let Some(growth) = growth {
            self.keys.absorb(growth.keys);
            self.bytes.absorb(growth.bytes);
        }
        let freed = went.less(came);
        self.keys.shrink(freed.keys);
        self.bytes.shrink(freed.bytes);
    }
}

pub(super) async fn of_tenant(readers: &SqlitePool, tenant: &TenantId) -> Result<Size, StoreError> {
    let sql = "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM entries WHERE tenant = ?1";
    let row = sqlx::query(sql).bind(tenant.as_str()).fetch_one(readers).await?;
    let number = |index: usize| row.try_get::<i64, _>(index).map(i64::cast_unsigned);
    Ok(Size { keys: number(0)?, bytes: number(1)? })
}
