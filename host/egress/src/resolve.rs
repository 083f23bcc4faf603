//! What a name stands for, asked once for each connection.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Lookups of the system at once. Each holds a thread for as long as its name server is silent, also when nobody waits for it
/// any more; the runtime has some hundred of them.
const LOOKUPS_MAX: usize = 64;

/// Turns names into addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address a name stands for.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
#[derive(Debug, Clone)]
pub struct SystemResolve(Arc<Semaphore>);

impl SystemResolve {
    /// The resolver that `/etc/resolv.conf` and its like describe.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

impl Default for SystemResolve {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Resolve for SystemResolve {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let permit = self.0.clone().acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let lookup = tokio::task::spawn_blocking(move || {
            // Given back when the thread is, not when the request gives up.
            let _permit = permit;
            (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
        });
        lookup.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_systems_resolver_knows_the_loopback() {
        let addresses = SystemResolve::new().resolve("localhost", 7).await.unwrap();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 7), "{addresses:?}");
    }
}
