//! The verbs about the audit.

use host_ledger::{Actor, Break, Decision, Denial, Query, Record, Summary};

use crate::{App, AppError};

impl App {
    /// Counts a request that came without a valid token. Never waits.
    pub fn count_unauthorized(&self) {
        self.ledger().denied(&Denial {
            tenant: None,
            actor: Actor::Anonymous,
            action: "api.request",
            decision: Decision::Denied,
            code: "unauthorized",
            limit: None,
            actual: None,
            foreign: None,
        });
    }

    /// The last records that match, oldest first.
    pub async fn audit(&self, query: Query) -> Result<Vec<Record>, AppError> {
        Ok(self.ledger().read(query).await?)
    }

    /// Checks the whole chain of the audit; a broken one is an answer.
    pub async fn verify_audit(&self) -> Result<Result<Summary, Break>, AppError> {
        Ok(self.ledger().verify().await?)
    }
}
