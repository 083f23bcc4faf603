//! What all verbs that change something have in common: recorded before, done to the end, and their outcome said.

use std::sync::Arc;

use host_ledger::{Act, Recorded};

use crate::{App, AppError};

impl App {
    /// Records an act, does it, and records how it ended. Without a record it is not done.
    ///
    /// A verb that was recorded is not dropped half way because its request was.
    pub(crate) async fn controlled<T, E, F>(
        &self,
        act: Act,
        verb: impl FnOnce(Arc<Recorded>) -> F + Send + 'static,
    ) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        AppError: From<E>,
    {
        let recorded = Arc::new(self.ledger().record(act).await?);
        #[expect(clippy::disallowed_methods, reason = "awaited right here; only a dropped request detaches it")]
        let verb = tokio::spawn(async move {
            let done = verb(recorded.clone()).await.map_err(AppError::from);
            // A verb that kept its witness has not ended: then whoever drops it last says so.
            if let Some(recorded) = Arc::into_inner(recorded) {
                match &done {
                    Ok(_) => recorded.done(),
                    Err(error) => recorded.failed(error.code()),
                }
            }
            done
        });
        verb.await.unwrap_or(Err(AppError::HostFailed))
    }
}
