//! Several hosts on one NATS serve one tenant: each message reaches one of an agent's starts, and the work of a host that died goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_bus::{Binding, Bus as _, BusError, KeepHealth};
use host_model::Durability;
use tests_kit::gate::{Sender, born};
use tests_kit::{NatsServer, eventually};

use crate::desk::Desk;
use crate::nats_host::NatsHost;

fn binding(tenant: &str, agent: &str) -> Binding {
    let topics = vec!["news.>".parse().unwrap()];
    Binding { tenant: tenant.parse().unwrap(), agent: agent.parse().unwrap(), topics, shared: Vec::new() }
}

/// Two hosts that know each other, each with a start of `kb` in `acme`.
async fn two(server: &NatsServer) -> [(NatsHost, Arc<Desk>); 2] {
    let acme = "acme".parse().unwrap();
    let start = async |id| {
        let host = NatsHost::on(server, id).await;
        let desk = Desk::at(&host.bus, born("acme", "kb"), 4);
        desk.listen(&host.bus, "news.>");
        host.bus.bind(binding("acme", "kb"));
        (host, desk)
    };
    let (one, other) = (start(1).await, start(2).await);
    one.0.bus.peer_in(&acme).await;
    other.0.bus.peer_in(&acme).await;
    [one, other]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volatile_message_reaches_one_start_of_an_agent_whichever_host_it_runs_on() {
    let server = NatsServer::start();
    let [one, other] = two(&server).await;
    let sender = Sender::in_tenant("acme");
    for number in 0..200 {
        let (on_topic, from) = (number % 2 == 0, if number % 3 == 0 { &one.0 } else { &other.0 });
        let text = number.to_string();
        let stamped = if on_topic { sender.on_topic("news.today", &text) } else { sender.to_agent("kb", &text) };
        from.bus.publish(stamped).unwrap();
    }
    let all = || [one.1.heard(), other.1.heard()];
    eventually("all arrive", async || (all().concat().len() >= 200).then_some(())).await;
    let [here, there] = all();
    assert!(here.len() > 50 && there.len() > 50, "both have a share: {} and {}", here.len(), there.len());
    let mut numbers: Vec<u32> = [here, there].concat().iter().map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>(), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_key_go_to_one_replica_over_all_hosts_volatile_or_kept() {
    let server = NatsServer::start();
    let [one, other] = [NatsHost::on(&server, 1).await, NatsHost::on(&server, 2).await];
    let mut replicas = Vec::new();
    for host in [&one, &other] {
        host.bus.bind(binding("acme", "kb"));
        for number in 0..2 {
            replicas.push((host, Desk::replica(&host.bus, born("acme", "kb"), number, "news.>")));
        }
        // Hosts tell all they receive at once: who knows of this one knows of the replicas.
        Desk::at(&host.bus, born("globex", "last"), 1);
    }
    for (host, tenant) in [(&one, "acme"), (&other, "acme"), (&one, "globex"), (&other, "globex")] {
        host.bus.peer_in(&tenant.parse().unwrap()).await;
    }
    let sender = Sender::in_tenant("acme");
    for number in 0..120 {
        let (from, key) = (if number % 2 == 0 { &one } else { &other }, format!("k{}", number % 8));
        match number / 8 % 3 {
            0 => drop(from.bus.publish(sender.on_topic_by_key("news.today", &key, &key)).unwrap()),
            1 => drop(from.bus.publish(sender.to_agent_by_key("kb", &key, &key)).unwrap()),
            _ => drop(from.bus.keep(sender.to_agent_by_key("kb", &key, &key)).await.unwrap()),
        }
    }
    let mut seen = vec![Vec::new(); replicas.len()];
    let all = async || {
        for (at, (host, desk)) in replicas.iter().enumerate() {
            if !desk.has_none() {
                seen[at].push(desk.done(&host.bus).await.0);
            }
        }
        let heard: usize = replicas.iter().map(|(_, desk)| desk.heard().len()).sum();
        (seen.iter().map(Vec::len).sum::<usize>() + heard == 120).then_some(())
    };
    eventually("all arrive", all).await;
    for key in (0..8).map(|key| format!("k{key}")) {
        let has = |at: &usize| seen[*at].contains(&key) || replicas[*at].1.heard().contains(&key);
        assert_eq!((0..replicas.len()).filter(has).count(), 1, "{key} has one place");
    }
    let with_work: Vec<usize> = (0..replicas.len()).filter(|at| !seen[*at].is_empty()).collect();
    let first_reads = with_work[0] < 2;
    let (reads, keeps) = if first_reads { (&one, &other) } else { (&other, &one) };
    let stands_by = if first_reads { &replicas[2..] } else { &replicas[..2] };
    reads.bus.close().await;
    keeps.bus.keep(sender.to_agent_by_key("kb", "k0", "goes on")).await.unwrap();
    let goes_on = async || stands_by.iter().any(|(_, desk)| !desk.has_none()).then_some(());
    eventually("the other host takes over", goes_on).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_host_is_found_and_one_of_another_tenant_is_not() {
    let server = NatsServer::start();
    let (here, there) = (NatsHost::on(&server, 1).await, NatsHost::on(&server, 2).await);
    let desk = Desk::at(&there.bus, born("acme", "kb"), 4);
    here.bus.peer_in(&"acme".parse().unwrap()).await;
    here.bus.publish(Sender::in_tenant("acme").to_agent("kb", "over the wire")).unwrap();
    eventually("it arrives", async || (desk.heard() == ["over the wire"]).then_some(())).await;
    let foreign = here.bus.publish(Sender::in_tenant("globex").to_agent("kb", "x"));
    assert_eq!(foreign, Err(BusError::NoReceiver));
    there.bus.close().await;
    let gone = async || {
        (here.bus.publish(Sender::in_tenant("acme").to_agent("kb", "x")) == Err(BusError::NoReceiver)).then_some(())
    };
    eventually("a host that left has no queue", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_message_is_handled_on_another_host_and_then_leaves_the_one_that_took_it() {
    let server = NatsServer::start();
    let (here, there) = (NatsHost::on(&server, 1).await, NatsHost::on(&server, 2).await);
    there.bus.bind(binding("acme", "kb"));
    let sender = Sender::in_tenant("acme");
    let kept =
        eventually("the binding is known", async || here.bus.keep(sender.to_agent("kb", "first")).await.ok()).await;
    assert_eq!(kept.durability, Durability::Durable);
    here.bus.keep(sender.on_topic("news.today", "second")).await.unwrap();
    let desk = Desk::at(&there.bus, born("acme", "kb"), 4);
    assert_eq!(desk.done(&there.bus).await, ("first".to_owned(), 1));
    assert_eq!(desk.done(&there.bus).await, ("second".to_owned(), 1));
    let acme = "acme".parse().unwrap();
    let left = async || here.bus.queues(&acme).iter().all(|view| view.messages == 0).then_some(());
    eventually("nothing of it is left here", left).await;
}

#[test]
fn the_work_of_a_host_that_died_is_handed_to_another_within_five_seconds() {
    let server = NatsServer::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dies = tokio::runtime::Runtime::new().unwrap();
    let (host, desk) = dies.block_on(async {
        let host = NatsHost::on(&server, 2).await;
        host.bus.bind(binding("acme", "kb"));
        let desk = Desk::at(&host.bus, born("acme", "kb"), 4);
        host.bus.keep(Sender::in_tenant("acme").to_agent("kb", "in its hands")).await.unwrap();
        (host, desk)
    });
    dies.block_on(desk.next());
    let stays = runtime.block_on(NatsHost::on(&server, 1));
    let other = runtime.block_on(async { Desk::at(&stays.bus, born("acme", "kb"), 4) });
    dies.shutdown_timeout(Duration::from_secs(1));
    let since = Instant::now();
    let (text, attempt) = runtime.block_on(other.done(&stays.bus));
    assert_eq!(text, "in its hands");
    assert!(attempt >= 2, "{attempt}");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}, attempt {attempt}", since.elapsed());
    drop((host, runtime));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_handled_no_other_host_is_handed_again() {
    let server = NatsServer::start();
    let [one, other] = two(&server).await;
    let sender = Sender::in_tenant("acme");
    for number in 0..20 {
        one.0.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
    }
    let mut done = Vec::new();
    while done.len() < 20 {
        for (host, desk) in [&one, &other] {
            if !desk.has_none() {
                done.push(desk.done(&host.bus).await.0.parse::<u32>().unwrap());
            }
        }
        tokio::task::yield_now().await;
    }
    done.sort_unstable();
    assert_eq!(done, (0..20).collect::<Vec<_>>());
    assert!(one.1.has_none() && other.1.has_none());
    one.0.is(KeepHealth::Good).await;
}
