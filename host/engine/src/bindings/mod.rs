//! One module of bindings for each WIT track; nothing outside them speaks WIT.

pub(crate) mod leases_v0_1;
pub(crate) mod state_v0_1;
pub(crate) mod storage_v0_1;
pub(crate) mod v0_1;
