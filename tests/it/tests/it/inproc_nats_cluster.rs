//! Class `replicated` on three servers: what was acknowledged outlives any one of them, and with two gone nobody is told otherwise.

use std::time::{Duration, Instant};

use host_bus::{Binding, Bus as _, BusError, Class, KeepHealth, NatsSettings};
use host_model::Durability;
use tests_kit::gate::{Sender, born};
use tests_kit::{NatsCluster, eventually};

use crate::desk::Desk;
use crate::nats_host::{NatsHost, settings};

/// Messages that are kept between two faults.
const SOME: usize = 10;
/// A sender is told within 5 s that its message is not replicated yet; the rest is the machine's.
const TOLD_WITHIN: Duration = Duration::from_secs(9);

/// When all has come that waited while servers elected who leads.
const ALL_COME_WITHIN: Duration = Duration::from_mins(1);

/// A host that knows these servers, with a place for what is sent to `kb` in `acme`.
async fn host_on(cluster: &NatsCluster, servers: &str) -> NatsHost {
    let servers = servers.split(',').map(str::to_owned).collect();
    let settings = NatsSettings { servers, class: Class::Replicated, ..settings(cluster.node(0), 1) };
    let host = NatsHost::over(tempfile::tempdir().unwrap(), settings).await;
    host.is(KeepHealth::Good).await;
    let (tenant, agent) = ("acme".parse().unwrap(), "kb".parse().unwrap());
    host.bus.bind(Binding { tenant, agent, topics: Vec::new(), shared: Vec::new() });
    host
}

/// What was kept, and what was said to be.
struct Said {
    sender: Sender,
    next: usize,
    replicated: Vec<usize>,
}

impl Said {
    fn nothing() -> Self {
        Self { sender: Sender::in_tenant("acme"), next: 0, replicated: Vec::new() }
    }

    async fn keep(&mut self, host: &NatsHost) -> Result<(), BusError> {
        let number = self.next;
        self.next += 1;
        let receipt = host.bus.keep(self.sender.to_agent("kb", &number.to_string())).await?;
        assert_eq!(receipt.durability, Durability::Replicated);
        self.replicated.push(number);
        Ok(())
    }

    /// Until so many were acknowledged. What was not goes on all the same.
    async fn keep_some(&mut self, host: &NatsHost) {
        for _ in 0..SOME {
            eventually("a message is replicated", async || self.keep(host).await.ok()).await;
        }
    }

    /// Nothing that was acknowledged is lost, and nothing comes twice.
    async fn all_come_once(self, host: &NatsHost) {
        let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
        let (mut come, acme, began) = (Vec::new(), "acme".parse().unwrap(), Instant::now());
        loop {
            host.bus.tend().await;
            while !desk.has_none() {
                come.push(desk.done(&host.bus).await.0.parse::<usize>().unwrap());
            }
            let queues = host.bus.queues(&acme);
            if queues.iter().all(|queue| queue.messages == 0) {
                break;
            }
            let took = began.elapsed();
            assert!(took < ALL_COME_WITHIN, "of {} there came {come:?}; {queues:?}", self.next);
            tokio::task::yield_now().await;
        }
        come.sort_unstable();
        assert!(come.windows(2).all(|two| two[0] != two[1]), "one came twice: {come:?}");
        assert!(self.replicated.iter().all(|number| come.contains(number)), "{:?} of {come:?}", self.replicated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_any_one_of_three_servers_killed_the_others_keep_what_comes_and_nothing_is_lost_or_comes_twice() {
    let mut cluster = NatsCluster::start(3).await;
    let host = host_on(&cluster, &cluster.url()).await;
    let mut said = Said::nothing();
    said.keep_some(&host).await;
    for at in 0..3 {
        cluster.node_mut(at).kill();
        said.keep_some(&host).await;
        cluster.node_mut(at).start_again();
        cluster.leader().await;
    }
    said.all_come_once(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_of_three_servers_killed_senders_are_told_in_time_and_all_goes_on_when_they_are_back() {
    let mut cluster = NatsCluster::start(3).await;
    let host = host_on(&cluster, &cluster.url()).await;
    let mut said = Said::nothing();
    said.keep_some(&host).await;
    cluster.node_mut(0).kill();
    cluster.node_mut(1).kill();
    not_kept(&mut said, &host).await;
    host.is(KeepHealth::NotReplicated).await;
    not_kept(&mut said, &host).await;
    cluster.node_mut(0).start_again();
    cluster.node_mut(1).start_again();
    cluster.leader().await;
    host.is(KeepHealth::Good).await;
    said.keep_some(&host).await;
    said.all_come_once(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hears_nothing_of_the_others_promises_nothing_and_all_goes_on_when_it_does() {
    let cluster = NatsCluster::start(3).await;
    let host = host_on(&cluster, cluster.node(0).url()).await;
    let mut said = Said::nothing();
    said.keep_some(&host).await;
    cluster.node(1).pause();
    cluster.node(2).pause();
    not_kept(&mut said, &host).await;
    cluster.node(1).resume();
    cluster.node(2).resume();
    cluster.leader().await;
    host.is(KeepHealth::Good).await;
    said.keep_some(&host).await;
    said.all_come_once(&host).await;
}

async fn not_kept(said: &mut Said, host: &NatsHost) {
    let began = Instant::now();
    let kept = said.keep(host).await;
    assert!(matches!(kept, Err(BusError::Unkept(_))), "{kept:?}");
    assert!(began.elapsed() < TOLD_WITHIN, "{:?}", began.elapsed());
}
