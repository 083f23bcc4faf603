//! Hosts of one NATS that knows each tenant as an account: what they carry stays in the tenant's account, and the accounts follow the
//! tenants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use host_bus::accounts::{Account, connect};
use host_bus::{Binding, Bus as _, QueueLimits};
use host_model::TenantId;
use tests_kit::async_nats::{Client, Subscriber};
use tests_kit::gate::{Sender, born};
use tests_kit::{AccountsServer, eventually};

use crate::desk::Desk;
use crate::nats_host::{LIMITS, NatsHost, in_accounts};

/// As short as the whole seconds of a token allow without chance in it.
const SHORT: Duration = Duration::from_secs(3);
/// What marks the end of what a spy sees.
const LAST: &str = "spy.last";

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn binding(tenant: &str, agent: &str) -> Binding {
    Binding {
        tenant: tenant.parse().unwrap(),
        agent: agent.parse().unwrap(),
        topics: vec!["news.>".parse().unwrap()],
        shared: Vec::new(),
    }
}

async fn client(server: &AccountsServer, account: Account) -> Client {
    connect(&Arc::new(server.minter()), account, server.url()).await.unwrap()
}

/// Whoever may see everything in an account.
struct Spy(Client, Subscriber);

impl Spy {
    async fn on(server: &AccountsServer, account: Account) -> Self {
        let client = client(server, account).await;
        let seen = client.subscribe(">").await.unwrap();
        client.flush().await.unwrap();
        Self(client, seen)
    }

    /// The subjects that it saw of what hosts carry. What a stream keeps it sees again when that is handed out.
    async fn saw(mut self) -> BTreeSet<String> {
        self.0.publish(LAST, "".into()).await.unwrap();
        let mut all = BTreeSet::new();
        while let Some(message) = self.1.next().await
            && message.subject.as_str() != LAST
        {
            all.insert(message.subject.to_string());
        }
        all.retain(|subject| ["tenants.", "kept.", "shown."].iter().any(|begins| subject.starts_with(begins)));
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_share_a_tenant_in_its_own_account_and_no_other_account_sees_any_of_it() {
    let server = AccountsServer::start();
    let (here, there) = (NatsHost::in_accounts(&server, 1).await, NatsHost::in_accounts(&server, 2).await);
    for name in ["acme", "globex"] {
        here.bus.set_limits(&tenant(name), LIMITS);
        there.bus.set_limits(&tenant(name), LIMITS);
        let account = async || client_if_there(&server, Account::Tenant(tenant(name))).await;
        eventually("it has its account", account).await;
    }
    let spies = [
        Spy::on(&server, Account::Hosts).await,
        Spy::on(&server, Account::Tenant(tenant("globex"))).await,
        Spy::on(&server, Account::Tenant(tenant("acme"))).await,
    ];
    there.bus.bind(binding("acme", "kb"));
    let desk = Desk::at(&there.bus, born("acme", "kb"), 4);
    here.bus.peer_in(&tenant("acme")).await;
    let sender = Sender::in_tenant("acme");
    let sends = async || here.bus.publish(sender.to_agent("kb", "volatile")).ok();
    eventually("its link is open here too", sends).await;
    eventually("it arrives", async || (desk.heard() == ["volatile"]).then_some(())).await;
    eventually("the binding is known", async || here.bus.keep(sender.to_agent("kb", "kept")).await.ok()).await;
    assert_eq!(desk.done(&there.bus).await, ("kept".to_owned(), 1));
    let left = async || here.bus.queues(&tenant("acme")).iter().all(|view| view.messages == 0).then_some(());
    eventually("the host that took it knows", left).await;
    let [hosts, globex, acme] = spies;
    assert_eq!((hosts.saw().await, globex.saw().await), (BTreeSet::new(), BTreeSet::new()));
    let acme = acme.saw().await;
    assert_eq!(acme.len(), 2, "the one and the other: {acme:?}");
}

async fn client_if_there(server: &AccountsServer, account: Account) -> Option<Client> {
    connect(&Arc::new(server.minter()), account, server.url()).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_kept_is_lost_or_handled_twice_while_credentials_are_renewed() {
    let server = AccountsServer::start();
    let short = || server.minter().with_host_lifetime(SHORT);
    let here = NatsHost::fresh(in_accounts(&server, short(), 1)).await;
    let there = NatsHost::fresh(in_accounts(&server, short(), 2)).await;
    there.bus.bind(binding("acme", "kb"));
    let desk = Desk::at(&there.bus, born("acme", "kb"), 4);
    let sender = Sender::in_tenant("acme");
    eventually("the binding is known", async || here.bus.keep(sender.to_agent("kb", "0")).await.ok()).await;
    let (began, mut number) = (Instant::now(), 0);
    while began.elapsed() < SHORT * 3 {
        assert_eq!(desk.done(&there.bus).await.0, number.to_string(), "in order, each once");
        number += 1;
        here.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
    }
    assert_eq!(desk.done(&there.bus).await.0, number.to_string());
    assert!(desk.has_none() && number > 10, "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_follows_its_tenants_limits_and_ends_with_it() {
    let server = AccountsServer::start();
    let host = NatsHost::in_accounts(&server, 1).await;
    let acme = Account::Tenant(tenant("acme"));
    host.bus.set_limits(&tenant("acme"), LIMITS);
    let client = eventually("there is an account", async || client_if_there(&server, acme.clone()).await).await;
    let disk_of = |limits: QueueLimits| limits.bytes_max + limits.messages_max * 1024;
    let allows = async |bytes: u64| {
        let info = client.request("$JS.API.INFO", "".into()).await.ok()?;
        let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
        (info["limits"]["max_storage"] == bytes).then_some(())
    };
    eventually("it has the tenant's limits", async || allows(disk_of(LIMITS)).await).await;
    let smaller = QueueLimits { messages_max: 10, ..LIMITS };
    host.bus.set_limits(&tenant("acme"), smaller);
    eventually("it has the new ones", async || allows(disk_of(smaller)).await).await;
    host.bus.forget(&tenant("acme")).await.unwrap();
    assert!(client_if_there(&server, acme).await.is_none(), "nobody connects to it any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_accounts_is_told_of_them_again_and_goes_on() {
    let mut server = AccountsServer::start();
    let host = NatsHost::in_accounts(&server, 1).await;
    host.bus.bind(binding("acme", "kb"));
    let desk = Desk::at(&host.bus, born("acme", "kb"), 4);
    let sender = Sender::in_tenant("acme");
    host.bus.keep(sender.to_agent("kb", "before")).await.unwrap();
    assert_eq!(desk.done(&host.bus).await.0, "before");
    server.kill();
    server.forget_accounts();
    host.bus.keep(sender.to_agent("kb", "meanwhile")).await.unwrap();
    server.start_again();
    assert_eq!(desk.done(&host.bus).await.0, "meanwhile");
}
