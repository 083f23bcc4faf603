//! Tenants with small quotas on both stores of agents, for the tests of this crate.

use std::sync::Arc;

use host_calls::Refusal;
use host_model::{Caller, TenantId};
use host_quota::{TenantBudgets, TenantLimits};
use tempfile::TempDir;
use tests_kit::gate::born;

use crate::{AgentFiles, AgentState, DataDir};

/// Both stores, and the budgets of the tenants `acme` and `globex`.
pub(crate) struct Stores {
    pub(crate) state: AgentState,
    pub(crate) files: AgentFiles,
    pub(crate) acme: TenantBudgets,
    pub(crate) globex: TenantBudgets,
}

/// What each of the two tenants may keep.
pub(crate) struct Quota {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) keys: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { files: 1_000, bytes: 1 << 30, keys: 10_000 }
    }
}

impl Stores {
    pub(crate) async fn open(dir: &TempDir, quota: Quota) -> Self {
        let data = DataDir::open(dir.path()).unwrap();
        let limits = TenantLimits {
            storage_files_max: quota.files,
            storage_bytes_max: quota.bytes,
            state_keys_max: quota.keys,
            state_bytes_max: quota.bytes,
            ..TenantLimits::default()
        };
        let [acme, globex] = [(); 2].map(|()| TenantBudgets::new(&limits));
        let (state, files) = (AgentState::open(&data).await.unwrap(), AgentFiles::open(&data).unwrap());
        for (tenant, budgets) in [("acme", &acme), ("globex", &globex)] {
            let tenant: TenantId = tenant.parse().unwrap();
            state.open_tenant(&tenant, budgets).await.unwrap();
            files.open_tenant(&tenant, budgets).await.unwrap();
        }
        Self { state, files, acme, globex }
    }
}

/// The agent `keeper` of `acme`.
pub(crate) fn keeper() -> Arc<Caller> {
    born("acme", "keeper")
}

/// The refusal's code and numbers.
pub(crate) fn told<T: std::fmt::Debug>(reply: Result<T, Refusal>) -> (String, Option<u64>, Option<u64>) {
    match reply.unwrap_err() {
        Refusal::NotFound => ("not-found".to_owned(), None, None),
        Refusal::Invalid(numbers) | Refusal::OverQuota(numbers) | Refusal::Unavailable(numbers) => {
            (numbers.code, numbers.limit, numbers.actual)
        }
        other => panic!("another kind of refusal: {other}"),
    }
}
