//! The way out itself: admit, fill in secrets, send, and hand back what comes.

use std::error::Error;
use std::sync::Arc;

use http::{HeaderName, Method, Request};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::body::BodyBounds;
use crate::connector::ConnectError;
use crate::pools::Pools;
use crate::{
    Authorities, DenyAll, EgressError, EgressLimits, EgressPolicy, EgressRequest, Header, NoSecrets, Resolve, Response,
    ResponseBody, SecretSource, SystemResolve, Url, headers, secret,
};

/// What the way out works with.
pub struct EgressParts {
    /// What tenants may call.
    pub policy: Arc<dyn EgressPolicy>,
    /// Where secrets lie.
    pub secrets: Arc<dyn SecretSource>,
    /// What names stand for.
    pub resolve: Arc<dyn Resolve>,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// What bounds each request.
    pub limits: EgressLimits,
}

/// Makes the requests of agents. Cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    parts: EgressParts,
    pools: Pools,
}

/// A request that may be made: its URL parsed, its host granted and allowed, its headers a guest's to send.
struct Admitted {
    url: Url,
    method: Method,
    headers: Vec<(HeaderName, Vec<u8>)>,
}

impl Egress {
    /// A way out without connections yet.
    pub fn new(parts: EgressParts) -> Self {
        Self(Arc::new(Inner { parts, pools: Pools::default() }))
    }

    /// A way out that leads nowhere: every request is refused.
    pub fn closed() -> Self {
        Self::new(EgressParts {
            policy: Arc::new(DenyAll),
            secrets: Arc::new(NoSecrets),
            resolve: Arc::new(SystemResolve::new()),
            authorities: Authorities::public(),
            limits: EgressLimits::default(),
        })
    }

    /// What bounds each request.
    pub fn limits(&self) -> &EgressLimits {
        &self.0.parts.limits
    }

    /// Makes a request and returns when the head of its response is there. Does not follow it if it leads elsewhere.
    ///
    /// Holds a share of the tenant's requests under way until the response has ended or is dropped. Dropping this cancels;
    /// the request may have been made.
    pub async fn fetch(&self, mut request: EgressRequest<'_>) -> Result<Response, EgressError> {
        let headers = std::mem::take(&mut request.headers);
        let admitted = self.admit(&request, headers)?;
        let under_way = request.under_way.share(1)?;
        let limits = self.limits();
        let (started, total) = (Instant::now(), limits.total_wait(&request.waits));
        let bounds = BodyBounds {
            len_max: limits.response_bytes_max.into(),
            deadline: started + total,
            wait: limits.body_wait(&request.waits),
            under_way,
        };
        let head_wait = limits.head_wait(&request.waits).min(total);
        let body = std::mem::take(&mut request.body);
        let outgoing = self.outgoing(&request, admitted, body)?;
        let client = self.0.pools.client(&self.0.parts, request.tenant);
        let answered = timeout_at(started + head_wait, client.request(outgoing)).await;
        let answered = answered.map_err(|_| EgressError::TimedOut { after: head_wait })?;
        received(answered.map_err(|error| self.sorted(error))?, bounds)
    }

    /// Closes what a tenant keeps idle, so that its next request resolves and is checked afresh: its policy changed.
    pub fn forget(&self, tenant: &host_model::TenantId) {
        self.0.pools.forget(tenant);
    }

    fn admit(&self, request: &EgressRequest<'_>, headers: Vec<Header>) -> Result<Admitted, EgressError> {
        let url = Url::parse(request.url)?;
        let method = admit_method(request.method)?;
        let (scheme, host, port) = (url.scheme(), url.host(), url.port());
        let granted = request.grants.may_call(scheme, host, port)
            && self.0.parts.policy.may_call(request.tenant, scheme, host, port);
        if !granted {
            return Err(EgressError::NotGranted);
        }
        if secret::holds_placeholder(request.url.as_bytes()) {
            // URLs end in the logs of whoever is called: a secret has no place in one.
            return Err(EgressError::SecretNotGranted);
        }
        let (len, len_max) = (request.body.len() as u64, u64::from(self.limits().request_bytes_max));
        if len > len_max {
            return Err(EgressError::RequestTooLarge { len, len_max });
        }
        Ok(Admitted { url, method, headers: headers::admit(headers, request.body.len())? })
    }

    /// What is sent, secrets in place. The client adds `host` and `content-length` from the URL and the body.
    fn outgoing(
        &self,
        request: &EgressRequest<'_>,
        admitted: Admitted,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, EgressError> {
        let Admitted { url, method, headers } = admitted;
        let parts = &self.0.parts;
        let (tenant, grants) = (request.tenant, request.grants);
        let usage =
            secret::Use { tenant, grants, url: &url, policy: parts.policy.as_ref(), source: parts.secrets.as_ref() };
        let mut outgoing = Request::new(Full::from(body));
        (*outgoing.method_mut(), *outgoing.uri_mut()) = (method, url.uri());
        for (name, value) in headers {
            outgoing.headers_mut().append(name, usage.fill(&value)?);
        }
        Ok(outgoing)
    }

    /// A client's error as what a guest may know of it.
    fn sorted(&self, error: hyper_util::client::legacy::Error) -> EgressError {
        if let Some(ConnectError::TimedOut(after)) = cause::<ConnectError>(&error) {
            return EgressError::TimedOut { after: *after };
        }
        if cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse_too_large) {
            return EgressError::ResponseTooLarge { len_max: self.limits().head_bytes_max.into() };
        }
        EgressError::Unavailable(error.into())
    }
}

/// A method that asks for a resource. `CONNECT` asks for a tunnel, and `TRACE` for what was sent, secrets included.
fn admit_method(raw: &str) -> Result<Method, EgressError> {
    let method = Method::from_bytes(raw.as_bytes()).map_err(|_| EgressError::Method)?;
    if matches!(method, Method::CONNECT | Method::TRACE) { Err(EgressError::Method) } else { Ok(method) }
}

fn received(answer: http::Response<Incoming>, bounds: BodyBounds) -> Result<Response, EgressError> {
    let (head, incoming) = answer.into_parts();
    if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(EgressError::Unavailable("it switches protocols unasked".into()));
    }
    let header = |(name, value): (&HeaderName, &http::HeaderValue)| Header {
        name: name.as_str().to_owned(),
        value: value.as_bytes().to_vec(),
    };
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers.iter().map(header).collect(),
        body: ResponseBody::new(incoming, bounds)?,
    })
}

/// The first error of a type in a chain of causes.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
