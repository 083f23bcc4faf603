//! `/api/queues`: where messages wait.

use axum::Json;
use axum::extract::State;
use host_wire::{Page, QueueLine};

use crate::convert::queues_of;
use crate::extract::Params;
use crate::page::TenantPageParams;
use crate::problem::ApiError;
use crate::state::ApiState;

/// List a tenant's queues
///
/// Those of its agents, those that agents share, and the dead letters.
#[utoipa::path(
    get,
    path = "/api/queues",
    tag = "queues",
    params(TenantPageParams),
    responses((status = 200, body = Page<QueueLine>))
)]
pub(crate) async fn list_queues(
    State(state): State<ApiState>,
    Params(params): Params<TenantPageParams>,
) -> Result<Json<Page<QueueLine>>, ApiError> {
    let (tenant, page) = params.into_parts();
    let (queues, letters) = state.app().queues(&tenant).await?;
    // By address: two queues may have one name.
    page.cut(queues_of(&tenant, queues, letters), |queue: &QueueLine| &queue.address).map(Json)
}
