//! What was used.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a tenant used up to now, over all starts of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Who used it.
    pub tenant_id: String,
    /// Messages that reached its agents' mailboxes.
    pub received: u64,
    /// Messages its agents handled.
    pub handled: u64,
    /// Messages whose handling failed.
    pub failed: u64,
    /// Messages its agents published or sent.
    pub published: u64,
    /// Requests its agents made.
    pub requested: u64,
    /// Requests its agents answered.
    pub replied: u64,
    /// Its agents' calls that were refused.
    pub refused: u64,
    /// Messages for its agents that were lost.
    pub dropped: u64,
    /// Fuel.
    pub fuel: u64,
    /// Wall time of handling, waiting included, in microseconds.
    pub handle_micros: u64,
}
