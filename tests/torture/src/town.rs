//! The tenants: in each, agents outside that send, one that receives, and a guest between.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tests_kit::{Host, Oracle, Package, Setup};

use crate::book::{Lane, Way};
use crate::cut::Watched;
use crate::door;
use crate::plan::{DIRECT_LANES, TENANTS};

/// What differs from a host's defaults: a compiler has ten seconds.
const SETTINGS: [(&str, &str); 2] =
    [("BAILIWICK_LOG__FORMAT", "json"), ("BAILIWICK_ENGINE__COMPILE_CPU_SECONDS", "10")];

/// One tenant's agents outside.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) receiver_token: String,
    /// By lane.
    sender_tokens: BTreeMap<usize, String>,
}

impl Tenant {
    /// Whether a lane's sender is registered here.
    pub(crate) fn sends(&self, lane: usize) -> bool {
        self.sender_tokens.contains_key(&lane)
    }

    pub(crate) fn sender_token(&self, lane: usize) -> String {
        self.sender_tokens.get(&lane).expect("a lane has a sender").clone()
    }
}

/// Where everything lies, and who lives there.
pub(crate) struct Town {
    /// Removed only where nothing was found.
    pub(crate) home: PathBuf,
    pub(crate) oracle: Rc<Oracle>,
    pub(crate) tenants: Vec<Tenant>,
    /// Before the names of its senders, where several hosts have the same tenants.
    name: String,
    /// What else differs from a host's defaults.
    settings: Vec<(&'static str, String)>,
}

impl Town {
    /// Creates the tenants and their agents on a new host.
    pub(crate) async fn open() -> (Self, Host, Vec<Lane>) {
        let mut town = Self::of(oracle(), "", Vec::new());
        let (host, mut lanes) = (town.setup(None).start(), Vec::new());
        town.fill(&host, &mut lanes).await;
        (town, host, lanes)
    }

    /// Where a host will be, with settings of its own.
    pub(crate) fn of(oracle: Rc<Oracle>, name: &str, settings: Vec<(&'static str, String)>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder").keep();
        Self { home, oracle, tenants: Vec::new(), name: name.to_owned(), settings }
    }

    /// Creates the tenants and their agents, whose lanes come after those that there are.
    pub(crate) async fn fill(&mut self, host: &Host, lanes: &mut Vec<Lane>) {
        self.oracle.create_tenants(host).await;
        for id in tenant_ids() {
            let tenant = self.settle(host, id, lanes).await;
            self.tenants.push(tenant);
        }
    }

    /// How a host is started here, watched or not.
    pub(crate) fn setup(&self, watched: Option<&Watched>) -> Setup {
        let setup = SETTINGS.iter().fold(Setup::new(), |setup, (name, value)| setup.env(name, value));
        let setup = self.settings.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
        let environment = watched.into_iter().flat_map(Watched::environment);
        let setup = environment.fold(setup, |setup, (name, value)| setup.env(name, &value.to_string_lossy()));
        setup.data(&self.data())
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    async fn settle(&self, host: &Host, id: String, lanes: &mut Vec<Lane>) -> Tenant {
        let word = self.oracle.canary(&id);
        let guest = Package::read("tests/guests/worker.toml").named(door::GUEST).with("config.canary", word);
        host.api.deploy(&id, &guest).await;
        let receiver_token = self.agent(host, &id, door::RECEIVER, &format!("subscribe = [{:?}]", door::TOPIC));
        let mut sender_tokens = BTreeMap::new();
        let direct = (0..DIRECT_LANES).map(|number| (format!("direct-{number}"), Way::Direct));
        for (name, way) in direct.chain([("topic".to_owned(), Way::Topic), ("chain".to_owned(), Way::Chain)]) {
            let name = format!("{}{name}", self.name);
            let grants = format!("send = [\"*\"]\npublish = [{:?}]", door::TOPIC);
            sender_tokens.insert(lanes.len(), self.agent(host, &id, &name, &grants));
            lanes.push(Lane::new(&id, &name, way, word));
        }
        Tenant { id, receiver_token, sender_tokens }
    }

    /// Registers an agent outside, and mints its token.
    fn agent(&self, host: &Host, tenant: &str, id: &str, grants: &str) -> String {
        let manifest = self.home.join(format!("{tenant}-{id}.toml"));
        let text = format!(
            "[agent]\nid = {id:?}\nname = {id:?}\nversion = \"1.0.0\"\ndescription = \"Of the torture\"\n\n[grants]\n{grants}\n"
        );
        fs::write(&manifest, text).expect("a temporary folder takes files");
        host.cli(&["agent", "register", &manifest.to_string_lossy(), "--tenant", tenant]).ok();
        host.cli(&["agent", "token", id, "--tenant", tenant]).ok().trim().to_owned()
    }
}

/// Knows the tenants' words.
pub(crate) fn oracle() -> Rc<Oracle> {
    let ids = tenant_ids();
    Rc::new(Oracle::new(&ids.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn tenant_ids() -> Vec<String> {
    (0..TENANTS).map(|number| format!("tenant-{number}")).collect()
}

/// A host that is started, and how long it took until it was ready.
pub(crate) async fn start(setup: Setup) -> (Host, Duration) {
    let began = Instant::now();
    let host = setup.start();
    host.ready().await;
    (host, began.elapsed())
}
