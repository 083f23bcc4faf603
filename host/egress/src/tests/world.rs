//! A way out with a policy and names of the test's own, and an agent to use it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use host_model::{Grants, Scheme, SecretBinding, SecretName, TenantId};
use host_quota::Budget;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::server::Server;
use crate::{
    Authorities, Egress, EgressError, EgressLimits, EgressParts, EgressPolicy, EgressRequest, Header, Resolve,
    Response, SecretSource, Waits,
};

/// Names and what they stand for, one answer after the other; the last one stays.
#[derive(Default)]
pub(super) struct Names {
    answers: Mutex<BTreeMap<String, VecDeque<Vec<SocketAddr>>>>,
    pub(super) asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock();
        let queue = answers.get_mut(host).ok_or_else(|| io::Error::other("no such name"))?;
        Ok(if queue.len() > 1 { queue.pop_front().unwrap() } else { queue[0].clone() })
    }
}

/// Allows every host; private addresses and secrets by name.
#[derive(Default)]
pub(super) struct Policy {
    pub(super) private: Vec<String>,
    pub(super) bindings: BTreeMap<String, SecretBinding>,
}

impl EgressPolicy for Policy {
    fn may_call(&self, _: &TenantId, _: Scheme, host: &str, _: u16) -> bool {
        host != "forbidden.test"
    }

    fn private_allowed(&self, _: &TenantId, host: &str, _: u16) -> bool {
        self.private.iter().any(|name| name == host)
    }

    fn secret_binding(&self, _: &TenantId, name: &SecretName) -> Option<SecretBinding> {
        self.bindings.get(name.as_str()).cloned()
    }
}

/// The same secret of each tenant, under every name.
struct Canary;

pub(super) const CANARY: &str = "canary-5f2b9a";

impl SecretSource for Canary {
    fn secret(&self, _: &TenantId, _: &SecretName) -> Option<Zeroizing<String>> {
        Some(CANARY.to_owned().into())
    }
}

pub(super) struct World {
    pub(super) egress: Egress,
    pub(super) names: Arc<Names>,
    pub(super) budget: Arc<Budget>,
}

/// What a test changes about a world.
pub(super) struct Setup {
    pub(super) policy: Policy,
    pub(super) limits: EgressLimits,
    pub(super) authorities: Authorities,
}

impl Default for Setup {
    fn default() -> Self {
        let private = ["a.test", "b.test", "c.test"].map(str::to_owned).into();
        Self {
            policy: Policy { private, ..Policy::default() },
            limits: EgressLimits { first_byte_ms_max: 5_000, ..EgressLimits::default() },
            authorities: Authorities::public(),
        }
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Setup::default())
    }

    pub(super) fn with(setup: Setup) -> Self {
        let names = Arc::<Names>::default();
        let egress = Egress::new(EgressParts {
            policy: Arc::new(setup.policy),
            secrets: Arc::new(Canary),
            resolve: names.clone(),
            authorities: setup.authorities,
            limits: setup.limits.checked().unwrap(),
        });
        Self { egress, names, budget: Budget::new(8) }
    }

    /// A name stands for a server.
    pub(super) fn name(&self, host: &str, server: &Server) {
        self.name_each(host, &[&[server.address]]);
    }

    /// What a name stands for, one answer after the other.
    pub(super) fn name_each(&self, host: &str, answers: &[&[SocketAddr]]) {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        self.names.answers.lock().insert(host.to_owned(), answers);
    }

    pub(super) async fn get(&self, url: &str) -> Result<Response, EgressError> {
        self.send(&Ask { url, ..Ask::default() }).await
    }

    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Response, EgressError> {
        let grants = grants(ask.url);
        let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into() };
        let request = EgressRequest {
            tenant: &ask.tenant.parse().unwrap(),
            grants: &grants,
            under_way: &self.budget,
            method: ask.method,
            url: ask.url,
            headers: ask.headers.iter().map(header).collect(),
            body: ask.body.into(),
            waits: ask.waits,
        };
        self.egress.fetch(request).await
    }
}

/// A request of an agent that was granted whatever its URL names, and the secret `key`.
pub(super) struct Ask<'a> {
    pub(super) tenant: &'a str,
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a str,
    pub(super) waits: Waits,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { tenant: "acme", method: "GET", url: "", headers: &[], body: "", waits: Waits::default() }
    }
}

fn grants(url: &str) -> Grants {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let http = format!("{scheme}://{authority}").parse().ok();
    let http = http.into_iter().filter(|_| !authority.starts_with("ungranted.test")).collect();
    Grants { http, secrets: vec!["key".parse().unwrap()], ..Grants::default() }
}

/// All of a body.
pub(super) async fn body(response: &mut Response) -> Result<String, EgressError> {
    let mut all = Vec::new();
    while let Some(bytes) = response.body.read(4096).await? {
        all.extend_from_slice(&bytes);
    }
    Ok(String::from_utf8(all).unwrap())
}

/// `http://name:port` of a server.
pub(super) fn url(host: &str, server: &Server, path: &str) -> String {
    format!("http://{host}:{}{path}", server.address.port())
}

/// What an error is, without what only the log is told.
pub(super) fn kind<T>(result: &Result<T, EgressError>) -> String {
    result.as_ref().err().map_or_else(|| "ok".to_owned(), ToString::to_string)
}
