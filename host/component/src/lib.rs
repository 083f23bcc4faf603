//! Reads components and manifests, offline: what a component imports, what it exports, what its author asks for.
//!
//! Runs nothing and compiles nothing. What it reads is hostile: every size has a bound, and what cannot be read is
//! refused with one line that names the thing and the next step.

mod capability;
mod digest;
mod error;
mod inspection;
mod manifest;
mod policy;
mod read;
mod review;
#[cfg(test)]
mod samples;
mod signature;
mod widening;

pub use capability::{Capability, Kind, Risk};
pub use digest::{BadDigest, Digest};
pub use error::{ComponentError, ManifestError};
pub use inspection::{Against, CapabilityReport, GrantsReport, Inspection, LimitsReport, Prices, Verdict};
pub use manifest::{Agent, BadSettings, Manifest, Run, Shard, check_settings};
pub use policy::{PolicyDocument, PolicyError, PolicyWarning, STARTER_POLICY};
pub use read::{Component, Function, Interface};
pub use review::{Objection, Review, Warning, review};
pub use widening::{Version, Widened, widened};
