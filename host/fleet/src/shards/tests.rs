//! Turns, panics and wake-ups on real threads. Nothing here sleeps: who waits, waits for what it was promised.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::Poll;
use std::time::{Duration, Instant};

use host_mailbox::{Address, Open, Push};
use host_model::Caller;
use tests_kit::gate::{Sender, accept, accepted, body, born};
use tokio::runtime::Runtime;

use super::*;

mod fair;

/// How long a test waits for what must come. Only a failing one does.
const WAIT_MAX: Duration = Duration::from_secs(30);

fn shards(count: usize) -> (Shards, Runtime) {
    let edge = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (Shards::start(count, edge.handle()).unwrap(), edge)
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// Tells what it handles, and panics over the body `panic`.
struct Teller(SyncSender<String>);

impl Runner for Teller {
    fn begin(self: Arc<Self>, accepted: Accepted) -> Work {
        Box::pin(async move {
            let text = body(accepted.envelope());
            assert_ne!(text, "panic", "told to panic");
            self.0.send(text).unwrap();
        })
    }
}

/// A receiver on its home shard.
fn receiver(shards: &Shards, caller: &Arc<Caller>, in_flight_max: u32) -> (Arc<Shard>, Address, Receiver<String>) {
    let (sender, told) = sync_channel(65_536);
    let shard = shards.home(caller.tenant()).clone();
    let open = Open { receiver: caller.clone(), len_max: 65_536, in_flight_max };
    let address = shard.open(open, Arc::new(Teller(sender)));
    (shard, address, told)
}

/// Work that is always ready, and counts its polls until it is told to end.
fn busy(polls: Arc<AtomicU64>, end: Arc<AtomicBool>) -> Work {
    Box::pin(poll_fn(move |context| {
        polls.fetch_add(1, Ordering::SeqCst);
        if end.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }))
}

#[test]
fn work_that_is_always_ready_does_not_keep_messages_of_its_own_tenant_waiting() {
    let (shards, _edge) = shards(1);
    let kb = born("acme", "kb");
    let (shard, address, told) = receiver(&shards, &kb, 1);
    let end = Arc::new(AtomicBool::new(false));
    shard.spawn(kb.tenant(), busy(Arc::default(), end.clone()));
    shard.release(address);
    shard.push(address, accepted(&kb, "through")).unwrap();
    assert_eq!(told.recv_timeout(WAIT_MAX).as_deref(), Ok("through"));
    end.store(true, Ordering::SeqCst);
}

#[test]
fn a_panic_ends_its_message_alone_and_its_receiver_is_free_again() {
    let (shards, _edge) = shards(1);
    let kb = born("acme", "kb");
    let (shard, address, told) = receiver(&shards, &kb, 1);
    for text in ["panic", "one", "panic", "two"] {
        shard.push(address, accepted(&kb, text)).unwrap();
    }
    shard.release(address);
    assert_eq!([told.recv_timeout(WAIT_MAX).unwrap(), told.recv_timeout(WAIT_MAX).unwrap()], ["one", "two"]);
    let (sender, idle) = sync_channel(1);
    let looked_at = shard.clone();
    // In a later turn of the same thread, so that the last message is settled.
    shard.spawn(kb.tenant(), Box::pin(async move { sender.send(looked_at.load(address)).unwrap() }));
    assert_eq!(idle.recv_timeout(WAIT_MAX), Ok((0, 0)));
}

#[test]
fn a_panic_of_spawned_work_leaves_its_thread_at_work() {
    let (shards, _edge) = shards(1);
    let shard = &shards.shards[0];
    shard.spawn(&tenant("acme"), Box::pin(async { panic!("told to panic") }));
    let (sender, done) = sync_channel(1);
    shard.spawn(&tenant("globex"), Box::pin(async move { sender.send(()).unwrap() }));
    assert_eq!(done.recv_timeout(WAIT_MAX), Ok(()));
}

#[test]
fn spawned_work_runs_to_its_end_on_the_shards_own_thread_with_the_edges_timers() {
    let (shards, edge) = shards(2);
    let (sender, ran_on) = sync_channel(1);
    let home = shards.home(&tenant("acme"));
    home.spawn(
        &tenant("acme"),
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            sender.send(thread::current().name().map(str::to_owned)).unwrap();
        }),
    );
    let ran_on = edge.block_on(async {
        tokio::time::timeout(WAIT_MAX, async {
            loop {
                match ran_on.try_recv() {
                    Ok(name) => return name,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        })
        .await
    });
    let index = shards.shards.iter().position(|shard| Arc::ptr_eq(shard, home)).unwrap();
    assert_eq!(ran_on.unwrap(), Some(format!("shard-{index}")));
}

#[test]
fn there_is_always_a_shard() {
    let (none, _edge) = shards(0);
    assert_eq!(none.shards.len(), 1);
}

#[test]
fn nothing_is_lost_and_each_senders_order_is_kept_when_many_threads_push() {
    const THREADS: usize = 8;
    const EACH: usize = 1_000;
    let (shards, _edge) = shards(2);
    let receivers = ["acme", "globex"].map(|tenant| {
        let caller = born(tenant, "kb");
        let (shard, address, told) = receiver(&shards, &caller, 1);
        shard.release(address);
        (caller, shard, address, told)
    });
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (caller, shard, address, _) = &receivers[thread % receivers.len()];
            let (caller, shard, address) = (caller.clone(), shard.clone(), *address);
            scope.spawn(move || {
                let sender = Sender::in_tenant(caller.tenant().as_str());
                for number in 0..EACH {
                    let message = sender.to_agent("kb", &format!("{thread} {number}"));
                    shard.push(address, accept(&caller, message)).unwrap();
                }
            });
        }
    });
    for (.., told) in &receivers {
        let mut next = [0; THREADS];
        for _ in 0..EACH * THREADS / receivers.len() {
            let told = told.recv_timeout(WAIT_MAX).expect("all that was pushed");
            let (thread, number) = told.split_once(' ').unwrap();
            let next = &mut next[thread.parse::<usize>().unwrap()];
            assert_eq!(number, next.to_string(), "in the order of thread {thread}");
            *next += 1;
        }
        assert!(told.try_recv().is_err(), "no more than was pushed");
    }
}

#[test]
fn a_closed_mailbox_hands_back_what_waited_and_its_runner_is_gone() {
    let (shards, _edge) = shards(1);
    let kb = born("acme", "kb");
    let (shard, address, told) = receiver(&shards, &kb, 1);
    shard.push(address, accepted(&kb, "waits")).unwrap();
    assert_eq!(shard.load(address), (1, 0), "held until it is released");
    assert_eq!(shard.close(address).len(), 1);
    assert!(matches!(shard.push(address, accepted(&kb, "late")), Err(Push::Closed)));
    shard.release(address);
    assert!(told.recv_timeout(WAIT_MAX).is_err(), "the runner was dropped, and told nothing before");
}

#[test]
fn a_wake_that_comes_late_does_nothing_to_who_has_the_place_now() {
    let (shards, _edge) = shards(1);
    let shard = &shards.shards[0];
    let (sender, waker) = sync_channel(1);
    shard.spawn(
        &tenant("acme"),
        Box::pin(poll_fn(move |context| {
            sender.send(context.waker().clone()).unwrap();
            Poll::Ready(())
        })),
    );
    let waker = waker.recv_timeout(WAIT_MAX).unwrap();
    let polls = Arc::new(AtomicU64::new(0));
    let (release, released) = oneshot::channel::<()>();
    let (sender, ended) = sync_channel(1);
    let counted = polls.clone();
    shard.spawn(
        &tenant("globex"),
        Box::pin(async move {
            let mut released = std::pin::pin!(released);
            poll_fn(|context| {
                counted.fetch_add(1, Ordering::SeqCst);
                released.as_mut().poll(context).map(drop)
            })
            .await;
            sender.send(()).unwrap();
        }),
    );
    waker.wake();
    assert!(ended.try_recv().is_err(), "a late wake ends nothing");
    release.send(()).unwrap();
    assert_eq!(ended.recv_timeout(WAIT_MAX), Ok(()));
    assert!(polls.load(Ordering::SeqCst) <= 3, "once to begin, once for the late wake, once when it was ready");
}
