//! What runs beside a tenant's own link, where tenants are accounts: it is opened, answers are heard, external agents' drafts are
//! taken in, and they are told of what is theirs.

use std::sync::Arc;

use futures_util::FutureExt as _;
use host_gate::Accepted;
use host_model::TenantId;

use super::accounts::{AgentSubjects, Ingress};
use super::bus::Inner;
use super::carrying::HEAR_WAIT;
use super::links::{Link, Opening, once_there};
use super::subjects;
use crate::BusError;

impl Inner {
    /// Opens a tenant's link, if it has one of its own and that is not begun. Never waits.
    pub(super) fn reach(self: &Arc<Self>, tenant: &TenantId) {
        if let Some(opening) = self.shared.links.begin(tenant, self.keeper.limits_of(tenant)) {
            let inner = self.clone();
            self.spawn(async move { Box::pin(inner.serve(opening)).await });
        }
    }

    /// Tells an external agent of a message, as the door words it.
    pub(super) fn tell_outside(&self, accepted: &Accepted) -> Result<(), BusError> {
        let caller = accepted.receiver();
        let link = self.shared.links.now(caller.tenant()).filter(|link| link.connection.is_up());
        let door = self.door.borrow().clone();
        let (Some(link), Some(door)) = (link, door) else { return Err(BusError::Unreachable) };
        let subject = AgentSubjects::of(caller.tenant(), caller.agent()).delivery();
        let telling = link.connection.client.publish(subject, door.told(accepted.envelope()));
        tokio::task::unconstrained(telling)
            .now_or_never()
            .ok_or(BusError::Unreachable)?
            .map_err(|_| BusError::Unreachable)
    }

    async fn serve(&self, opening: Opening) {
        let tenant = &opening.tenant;
        let beside = async {
            let link = self.shared.links.of(tenant).await;
            let answers = subjects::answers_of(tenant);
            tokio::join!(self.hear_answers(&link.connection.client, &answers), self.take_drafts(&link, &opening))
        };
        tokio::join!(self.shared.links.look_after(&opening), opening.over.run_until_cancelled(beside));
    }

    /// Takes in what the tenant's external agents publish, from when somebody takes it to the gate.
    async fn take_drafts(&self, link: &Link, Opening { tenant, over, .. }: &Opening) {
        loop {
            let door = once_there(self.door.subscribe()).await;
            match Ingress::open(link.connection.client.clone(), tenant.clone(), door).await {
                Ok(ingress) => ingress.run(over.clone()).await,
                Err(error) => tracing::warn!(%tenant, %error, "what external agents send is not taken in"),
            }
            tokio::time::sleep(HEAR_WAIT).await;
        }
    }
}
