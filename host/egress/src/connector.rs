//! Connects for one tenant: resolves, checks every address, and connects to what was checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use host_model::TenantId;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::Service;

use crate::{EgressPolicy, Resolve, is_global};

/// Addresses of one name that are tried, one after the other.
const ATTEMPTS_MAX: usize = 4;
/// Names that one tenant resolves at once, those that nobody waits for any more included: a silent name server of one tenant takes
/// so many of the host's lookups and no more.
pub(crate) const LOOKUPS_MAX: usize = 2;

/// Why there is no connection. For the host's log alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("a request without a host")]
    NoHost,
    #[error("the name does not resolve")]
    Resolve(#[source] io::Error),
    #[error("the name stands for no address")]
    NoAddress,
    #[error("the name stands for {0}, which is not of the public internet and was not allowed")]
    NotGlobal(IpAddr),
    #[error("no address of it can be connected to")]
    Connect(#[source] io::Error),
    #[error("there was no connection after {0:?}")]
    TimedOut(Duration),
}

/// One tenant's way to connect. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Inner>);

pub(crate) struct Inner {
    tenant: TenantId,
    policy: Arc<dyn EgressPolicy>,
    resolve: Arc<dyn Resolve>,
    lookups: Arc<Semaphore>,
    wait: Duration,
}

impl Connector {
    pub(crate) fn new(
        tenant: TenantId,
        policy: Arc<dyn EgressPolicy>,
        resolve: Arc<dyn Resolve>,
        wait: Duration,
    ) -> Self {
        let lookups = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self(Arc::new(Inner { tenant, policy, resolve, lookups, wait }))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let connected = timeout(inner.wait, inner.connect(&uri)).await;
            connected.unwrap_or(Err(ConnectError::TimedOut(inner.wait))).map(TokioIo::new)
        })
    }
}

impl Inner {
    async fn connect(&self, uri: &Uri) -> Result<TcpStream, ConnectError> {
        let (host, port) = uri.host().zip(uri.port_u16()).ok_or(ConnectError::NoHost)?;
        let addresses = self.allowed(host, port).await?;
        dial(&addresses).await
    }

    /// Every address of a name, if each of them may be connected to: one that may not makes the others suspect.
    async fn allowed(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let addresses = self.looked_up(host, port).await.map_err(ConnectError::Resolve)?;
        let private = addresses.iter().map(SocketAddr::ip).find(|address| !is_global(*address));
        match private {
            Some(address) if !self.policy.private_allowed(&self.tenant, host, port) => {
                Err(ConnectError::NotGlobal(address))
            }
            _ => Ok(addresses),
        }
    }

    /// What a name stands for. The lookup goes on when the request gives up, since no thread can be called back from it, and keeps
    /// the tenant's place until it ends.
    #[expect(
        clippy::disallowed_methods,
        reason = "it keeps nothing that a drain would wait for, and holds a bounded place"
    )]
    async fn looked_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let place = self.lookups.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (resolve, host) = (self.resolve.clone(), host.to_owned());
        let lookup = tokio::spawn(async move {
            let _place = place;
            resolve.resolve(&host, port).await
        });
        lookup.await.map_err(io::Error::other)?
    }
}

async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let mut failed = ConnectError::NoAddress;
    for address in addresses.iter().take(ATTEMPTS_MAX) {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A small request is sent at once. Where the option is refused, it is sent all the same.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failed = ConnectError::Connect(error),
        }
    }
    Err(failed)
}
