//! One client for each tenant: connections, TLS sessions and lookups are never shared between two.

use std::collections::HashMap;
use std::time::Duration;

use host_model::TenantId;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;

use crate::EgressParts;
use crate::connector::Connector;
use crate::limits::millis;

/// Connections kept idle for one host of one tenant, and for how long.
const IDLE_MAX: usize = 4;
const IDLE_TIME: Duration = Duration::from_secs(15);

pub(crate) type HttpClient = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The clients of the tenants that asked last; a tenant that asks again after it was left out starts afresh.
#[derive(Default)]
pub(crate) struct Pools(Mutex<Held>);

#[derive(Default)]
struct Held {
    clients: HashMap<TenantId, Kept>,
    asked: u64,
}

struct Kept {
    client: HttpClient,
    /// When it was asked for last, in the count of all questions.
    asked: u64,
}

impl Pools {
    pub(crate) fn client(&self, parts: &EgressParts, tenant: &TenantId) -> HttpClient {
        let mut held = self.0.lock();
        held.asked += 1;
        let asked = held.asked;
        if let Some(kept) = held.clients.get_mut(tenant) {
            kept.asked = asked;
            return kept.client.clone();
        }
        if held.clients.len() >= parts.limits.pools_max as usize {
            held.leave_out_one();
        }
        let client = client(parts, tenant);
        held.clients.insert(tenant.clone(), Kept { client: client.clone(), asked });
        client
    }

    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.0.lock().clients.remove(tenant);
    }
}

impl Held {
    /// The one that was asked for the longest ago. What it has under way goes on; what it keeps idle is closed.
    fn leave_out_one(&mut self) {
        let oldest = self.clients.iter().min_by_key(|(_, kept)| kept.asked).map(|(tenant, _)| tenant.clone());
        oldest.and_then(|tenant| self.clients.remove(&tenant));
    }
}

fn client(parts: &EgressParts, tenant: &TenantId) -> HttpClient {
    let wait = millis(parts.limits.connect_ms_max);
    let connector = Connector::new(tenant.clone(), parts.policy.clone(), parts.resolve.clone(), wait);
    let tls = HttpsConnectorBuilder::new().with_tls_config(parts.authorities.client_config());
    let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(IDLE_MAX)
        .http1_max_buf_size(parts.limits.head_bytes_max as usize)
        .http1_max_headers(parts.limits.headers_max as usize)
        .build(connector)
}
