//! `/healthz` and `/readyz`: open to whoever watches the host, and silent about tenants.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_wire::{Check, Health, Readiness};

use crate::state::ApiState;

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Whether the host serves
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(crate) async fn readyz(State(state): State<ApiState>) -> (StatusCode, Json<Readiness>) {
    let mut checks = checks_of(&state.app().readiness());
    let closing = state.closing().is_cancelled();
    checks.push(Check {
        name: "open".to_owned(),
        ok: !closing,
        detail: closing.then(|| "the host is closing".to_owned()),
    });
    answer(checks)
}

fn answer(checks: Vec<Check>) -> (StatusCode, Json<Readiness>) {
    let ready = checks.iter().all(|check| check.ok);
    let (status, word) = if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not-ready") };
    (status, Json(Readiness { status: word.to_owned(), checks }))
}

fn checks_of(readiness: &host_app::Readiness) -> Vec<Check> {
    let check =
        |check: &host_app::Check| Check { name: check.name.to_string(), ok: check.ok, detail: check.detail.clone() };
    readiness.checks.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_is_not_ready() {
        let check = |name: &str, ok| Check { name: name.into(), ok, detail: None };
        let status = |checks| answer(checks).0.as_u16();
        assert_eq!(status(vec![check("store", true), check("open", true)]), 200);
        assert_eq!(status(vec![check("store", true), check("open", false)]), 503);
    }
}
