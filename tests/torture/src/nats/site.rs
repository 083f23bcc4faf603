//! One of the hosts: its data, the tenants' agents there, and its way to the server.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tests_kit::{Host, NatsServer, Oracle, Proxy};

use crate::book::{Book, Lane, Missing};
use crate::load::Load;
use crate::town::{self, Town};

/// A host, and who lives there.
pub(super) struct Site {
    pub(super) town: Town,
    pub(super) host: Host,
    pub(super) way: Proxy,
}

impl Site {
    /// A new host on that server, under the key-encryption key of the first if it is not that.
    pub(super) async fn open(
        name: &str,
        server: &NatsServer,
        oracle: Rc<Oracle>,
        first: Option<&Host>,
        lanes: &mut Vec<Lane>,
    ) -> Self {
        let way = Proxy::to(server.url());
        let path = |file: std::path::PathBuf| file.to_string_lossy().into_owned();
        let settings = vec![
            ("BAILIWICK_BUS", way.url()),
            ("BAILIWICK_NATS__CREDENTIALS_FILE", path(server.credentials())),
            ("BAILIWICK_NATS__SYSTEM_CREDENTIALS_FILE", path(server.system_credentials())),
        ];
        let mut town = Town::of(oracle, name, settings);
        let setup = town.setup(None);
        let host = first.map_or_else(|| town.setup(None), |first| setup.kek_of(first)).start();
        host.ready().await;
        town.fill(&host, lanes).await;
        Self { town, host, way }
    }

    /// Starts the host again, after it has ended, and tells how long it took until it was ready.
    pub(super) async fn start_again(&mut self) -> Duration {
        self.host.ended();
        let (host, ready) = town::start(self.town.setup(None)).await;
        self.host = host;
        ready
    }

    pub(super) async fn is_ready(&self) -> bool {
        self.host.api.try_call("GET", "/readyz", None).await.is_some_and(|answer| answer.status == 200)
    }

    /// Whether the message is a dead letter here.
    pub(super) async fn has_letter(&self, message: &Missing) -> bool {
        let letters = self.host.api.get(&format!("/api/dlq?tenant={}&limit=1000", message.tenant)).await;
        String::from_utf8_lossy(&letters.body).contains(&message.id)
    }

    pub(super) fn load<'a>(&'a self, book: &'a RefCell<Book>, seed: u64) -> Load<'a> {
        Load { url: &self.host.url, tenants: &self.town.tenants, book, oracle: &self.town.oracle, seed }
    }
}
