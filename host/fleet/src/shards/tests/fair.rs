//! Long calls and short ones side by side. What is asserted is counted; only how long a poll runs is measured, by its thread's clock.

use super::*;
use crate::shards::stopwatch::thread_ran;

/// Work whose polls run as long as it says, until it is told to end. Counts its polls on the front lane and in bulk.
#[derive(Clone, Default)]
struct Spin {
    front: Arc<AtomicU64>,
    bulk: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
}

impl Spin {
    fn work(&self, poll: Duration) -> Work {
        let spin = self.clone();
        Box::pin(poll_fn(move |context| {
            let counter = if on_bulk() { &spin.bulk } else { &spin.front };
            counter.fetch_add(1, Ordering::SeqCst);
            let end = thread_ran() + poll;
            while thread_ran() < end {}
            if spin.end.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }

    fn polls(&self) -> u64 {
        self.front.load(Ordering::SeqCst) + self.bulk.load(Ordering::SeqCst)
    }
}

fn on_bulk() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with("bulk-"))
}

/// Tells on which thread it handles what.
struct Whereabouts(SyncSender<String>);

impl Runner for Whereabouts {
    fn begin(self: Arc<Self>, _accepted: Accepted) -> Work {
        Box::pin(async move {
            self.0.send(thread::current().name().unwrap_or_default().to_owned()).unwrap();
        })
    }
}

fn whereabouts(shards: &Shards, caller: &Arc<Caller>) -> (Arc<Shard>, Address, Receiver<String>) {
    let (sender, told) = sync_channel(65_536);
    let shard = shards.home(caller.tenant()).clone();
    let open = Open { receiver: caller.clone(), len_max: 65_536, in_flight_max: 4 };
    let address = shard.open(open, Arc::new(Whereabouts(sender)));
    shard.release(address);
    (shard, address, told)
}

/// A message, and the thread that handled it.
fn ask(to: &(Arc<Shard>, Address, Receiver<String>), caller: &Arc<Caller>) -> String {
    to.0.push(to.1, accepted(caller, "where")).unwrap();
    to.2.recv_timeout(WAIT_MAX).expect("it is handled")
}

/// Waits for what must come true.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WAIT_MAX, "{what}");
        thread::yield_now();
    }
}

#[test]
fn beside_sixteen_calls_that_run_on_a_quiet_tenants_calls_go_on_where_none_of_them_is() {
    const TICK: Duration = Duration::from_millis(1);
    let (shards, _edge) = shards(1);
    let spin = Spin::default();
    for _ in 0..16 {
        shards.shards[0].spawn(&tenant("noisy"), spin.work(TICK));
    }
    until("all of the noise moves to bulk", || spin.front.load(Ordering::SeqCst) == 16);
    let quiet = born("quiet", "kb");
    let place = whereabouts(&shards, &quiet);
    let before = spin.bulk.load(Ordering::SeqCst);
    for _ in 0..200 {
        assert_eq!(ask(&place, &quiet), "shard-0");
    }
    let noise = spin.bulk.load(Ordering::SeqCst) - before;
    assert_eq!(spin.front.load(Ordering::SeqCst), 16, "each was polled for one tick where calls begin");
    // In turn with the noise each message would wait for a tick; the wide margin is for a machine with other things to do.
    assert!(noise < 200, "{noise} ticks passed during 200 messages");
    until("who gives way goes on when nobody is in its way", || spin.bulk.load(Ordering::SeqCst) > before);
    spin.end.store(true, Ordering::SeqCst);
}

#[test]
fn while_calls_of_a_tenant_run_on_its_next_ones_begin_in_bulk_and_afterwards_they_come_back() {
    let (shards, _edge) = shards(1);
    let (noisy, quiet) = (born("noisy", "kb"), born("quiet", "kb"));
    let (noisy_place, quiet_place) = (whereabouts(&shards, &noisy), whereabouts(&shards, &quiet));
    assert_eq!(ask(&noisy_place, &noisy), "shard-0");
    let spin = Spin::default();
    shards.shards[0].spawn(noisy.tenant(), spin.work(Duration::from_millis(1)));
    until("it moves", || spin.bulk.load(Ordering::SeqCst) > 0);
    for _ in 0..20 {
        assert_eq!((ask(&noisy_place, &noisy).as_str(), ask(&quiet_place, &quiet).as_str()), ("bulk-0", "shard-0"));
    }
    assert_eq!(noisy_place.2.try_iter().count(), 0, "each once");
    spin.end.store(true, Ordering::SeqCst);
    until("they come back", || ask(&noisy_place, &noisy) == "shard-0");
}

#[test]
fn a_call_that_ran_long_and_now_waits_leaves_its_tenants_next_ones_where_they_are() {
    let (shards, _edge) = shards(1);
    let acme = born("acme", "kb");
    let place = whereabouts(&shards, &acme);
    let (release, released) = oneshot::channel::<()>();
    let (sender, ended) = sync_channel(1);
    let spin = Spin::default();
    let ran = spin.work(Duration::from_millis(1));
    let until_moved = spin.clone();
    shards.shards[0].spawn(
        acme.tenant(),
        Box::pin(async move {
            ran.await;
            released.await.unwrap();
            sender.send(thread::current().name().unwrap().to_owned()).unwrap();
        }),
    );
    until("it moves", || until_moved.bulk.load(Ordering::SeqCst) > 0);
    spin.end.store(true, Ordering::SeqCst);
    until("it waits", || ask(&place, &acme) == "shard-0");
    release.send(()).unwrap();
    assert_eq!(ended.recv_timeout(WAIT_MAX).as_deref(), Ok("bulk-0"), "woken where it waited");
}

#[test]
fn a_call_that_moved_is_dropped_when_its_mailbox_closes_and_counted_when_it_ends() {
    struct Spinner(Spin);
    impl Runner for Spinner {
        fn begin(self: Arc<Self>, _accepted: Accepted) -> Work {
            self.0.work(Duration::from_millis(1))
        }
    }
    for close in [true, false] {
        let (shards, _edge) = shards(1);
        let (caller, spin) = (born("acme", "kb"), Spin::default());
        let shard = &shards.shards[0];
        let open = Open { receiver: caller.clone(), len_max: 10, in_flight_max: 1 };
        let address = shard.open(open, Arc::new(Spinner(spin.clone())));
        shard.push(address, accepted(&caller, "spin")).unwrap();
        shard.release(address);
        until("it moves", || spin.bulk.load(Ordering::SeqCst) > 0);
        assert_eq!(shard.load(address), (0, 1), "it is still under way");
        if close {
            shard.close(address);
            until("the runner's last holder is this test", || Arc::strong_count(&spin.end) == 1);
        } else {
            spin.end.store(true, Ordering::SeqCst);
            until("its place is free", || shard.load(address) == (0, 0));
        }
    }
}

#[test]
fn equally_busy_tenants_get_equal_turns_however_many_calls_they_have() {
    let (shards, _edge) = shards(1);
    let spins: Vec<Spin> = [1, 4, 16]
        .map(|calls| {
            let spin = Spin::default();
            for _ in 0..calls {
                shards.shards[0].spawn(&tenant(&format!("with-{calls}")), spin.work(Duration::from_micros(100)));
            }
            spin
        })
        .into();
    let total = || spins.iter().map(Spin::polls).sum::<u64>();
    until("all have turns", || total() > 3_000);
    let got: Vec<u64> = spins.iter().map(Spin::polls).collect();
    for spin in &spins {
        spin.end.store(true, Ordering::SeqCst);
    }
    assert!(jain(&got) >= 0.95, "Jain's index of {got:?} is {}", jain(&got));
}

/// Jain, Chiu and Hawe, 1984: 1 when all have the same, 1/n when one has it all.
#[expect(clippy::cast_precision_loss, reason = "an index of fairness needs no more than two digits")]
fn jain(shares: &[u64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0, 0), |(sum, squares), share| (sum + share, squares + share * share));
    (sum * sum) as f64 / (shares.len() as u64 * squares) as f64
}

#[test]
fn a_tenants_messages_are_handled_on_as_many_shards_as_it_may_use() {
    let (shards, _edge) = shards(3);
    let caller = born("acme", "kb");
    let place = whereabouts(&shards, &caller);
    let seen = |parallelism| {
        shards.set_share(caller.tenant(), &TenantLimits { parallelism, ..TenantLimits::default() });
        let mut seen: Vec<String> = (0..30).map(|_| ask(&place, &caller)).collect();
        seen.sort();
        seen.dedup();
        seen.len()
    };
    assert_eq!([1, 2, 3, 1024, 1].map(seen), [1, 2, 3, 3, 1]);
}

#[test]
fn spread_over_shards_one_message_at_a_time_keeps_its_order() {
    let (shards, _edge) = shards(3);
    let caller = born("acme", "kb");
    shards.set_share(caller.tenant(), &TenantLimits { parallelism: 3, ..TenantLimits::default() });
    let (shard, address, told) = receiver(&shards, &caller, 1);
    shard.release(address);
    for number in 0..1_000 {
        shard.push(address, accepted(&caller, &number.to_string())).unwrap();
    }
    for number in 0..1_000 {
        assert_eq!(told.recv_timeout(WAIT_MAX), Ok(number.to_string()));
    }
}
