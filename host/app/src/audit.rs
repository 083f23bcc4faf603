//! The verbs about the audit.

use host_ledger::{Break, Query, Record, Summary};

use crate::{App, AppError};

impl App {
    /// The last records that match, oldest first.
    pub async fn audit(&self, query: Query) -> Result<Vec<Record>, AppError> {
        Ok(self.ledger().read(query).await?)
    }

    /// Checks the whole chain of the audit; a broken one is an answer.
    pub async fn verify_audit(&self) -> Result<Result<Summary, Break>, AppError> {
        Ok(self.ledger().verify().await?)
    }
}
