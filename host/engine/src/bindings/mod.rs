//! One module of bindings for each WIT track; nothing outside them speaks WIT.

pub(crate) mod v0_1;
