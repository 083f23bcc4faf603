//! A guest that spins ends in time wherever it does so, and takes nobody with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use host_model::{Outcome, TrapCause};
use parking_lot::Mutex;

use super::*;

/// The cause of the cut-off.
fn cause(handled: &Handled) -> Option<TrapCause> {
    match handled.outcome {
        Outcome::Trapped { cause, .. } => Some(cause),
        _ => None,
    }
}

/// A guest that spins somewhere is stopped at its deadline, its only slot is free again, and it never had more than its time.
async fn ends_in_time(spinning: Vec<u8>) {
    let deadline = Duration::from_millis(50);
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let (spinning, plain) =
        (sandbox.program(&spinning).await, sandbox.program(&agent(&format!("{MEMORY} {REALLOC}"), NO_ANSWER)).await);
    for _ in 0..3 {
        let began = Instant::now();
        let handled = Agent::with_deadline(deadline).handle(&spinning).await;
        assert_eq!(cause(&handled), Some(TrapCause::Timeout), "{handled:?}");
        assert!((deadline..SOON).contains(&began.elapsed()), "after {:?}", began.elapsed());
        let handled = Agent::with_deadline(SOON).handle(&plain).await;
        assert_eq!(handled.outcome, Outcome::Done(None), "the slot is free again");
    }
}

#[tokio::test]
async fn a_guest_that_spins_in_its_handler_ends_in_time() {
    ends_in_time(agent(&format!("{MEMORY} {REALLOC}"), &format!("{SPIN} unreachable"))).await;
}

#[tokio::test]
async fn a_guest_that_spins_while_it_is_instantiated_ends_in_time() {
    ends_in_time(agent(&format!("{MEMORY} {REALLOC} (func $start {SPIN}) (start $start)"), NO_ANSWER)).await;
}

#[tokio::test]
async fn a_guest_that_spins_while_it_takes_its_message_ends_in_time() {
    let realloc = format!(r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {SPIN} unreachable)"#);
    ends_in_time(agent(&format!("{MEMORY} {realloc}"), NO_ANSWER)).await;
}

#[tokio::test]
async fn a_guest_that_spins_after_its_answer_ends_in_time() {
    let post = format!(r#"(func (export "cabi_post_bailiwick:agent/inbox@0.1.0#handle") (param i32) {SPIN})"#);
    ends_in_time(agent(&format!("{MEMORY} {REALLOC} {post}"), NO_ANSWER)).await;
}

#[tokio::test]
async fn stopping_one_guest_does_not_disturb_another_on_the_same_engine() {
    let sandbox = Sandbox::new(Pool::Fast, 4);
    let spinning = sandbox.program(&agent(&format!("{MEMORY} {REALLOC}"), &format!("{SPIN} unreachable"))).await;
    let work = "(local i32) (local.set 1 (i32.const 400000000))
        (loop $more (br_if $more (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))";
    let working = sandbox.program(&agent(&format!("{MEMORY} {REALLOC}"), &format!("{work} {NO_ANSWER}"))).await;
    let (short, long) =
        (Agent::with_deadline(Duration::from_millis(10)), Agent::with_deadline(Duration::from_mins(10)));
    let ended = Mutex::new(Vec::new());
    tokio::join!(
        async {
            for _ in 0..5 {
                assert_eq!(cause(&short.handle(&spinning).await), Some(TrapCause::Timeout));
                ended.lock().push("stopped");
            }
        },
        async {
            assert_eq!(long.handle(&working).await.outcome, Outcome::Done(None));
            ended.lock().push("done");
        }
    );
    assert_eq!(ended.lock().first(), Some(&"stopped"), "one was stopped while the other worked");
}

#[tokio::test]
async fn a_host_without_a_free_slot_says_so_and_blames_no_guest() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let spinning = sandbox.program(&agent(&format!("{MEMORY} {REALLOC}"), &format!("{SPIN} unreachable"))).await;
    let agent = Agent::with_deadline(Duration::from_millis(200));
    let (first, second) = tokio::join!(agent.handle(&spinning), agent.handle(&spinning));
    assert_eq!((cause(&first), cause(&second)), (Some(TrapCause::Timeout), Some(TrapCause::Host)));
}

#[tokio::test]
async fn memory_past_the_limit_is_not_given_and_its_absence_is_the_cause() {
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let grow = |pages: u32| {
        let handle =
            format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable)) {NO_ANSWER}");
        agent(&format!("{MEMORY} {REALLOC}"), &handle)
    };
    let limited = Agent::new(Limits { memory_bytes_max: 4 << 16, ..Limits::default() });
    let fits = sandbox.program(&grow(3)).await;
    assert_eq!(limited.handle(&fits).await.outcome, Outcome::Done(None), "one page and three are four");
    let past = sandbox.program(&grow(4)).await;
    assert_eq!(cause(&limited.handle(&past).await), Some(TrapCause::Memory));
    assert_eq!(limited.birth.tenant_memory.used(), 0, "given back when the instance ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_fire_while_guests_spin_on_every_thread_there_is() {
    const TICKS: u32 = 10;
    let deadline = Duration::from_secs(3);
    let sandbox = Sandbox::new(Pool::Fast, 8);
    let spinning = sandbox.program(&agent(&format!("{MEMORY} {REALLOC}"), &format!("{SPIN} unreachable"))).await;
    let began = Instant::now();
    let spinners: Vec<_> = (0..8)
        .map(|_| {
            let spinning = spinning.clone();
            tests_kit::aside(async move { Agent::with_deadline(deadline).handle(&spinning).await })
        })
        .collect();
    let ticking = tests_kit::aside(async move {
        for _ in 0..TICKS {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    });
    let fired = ticking.await.unwrap();
    // First to their end: without the sandbox, and so without its ticks, they would never be interrupted.
    for spinner in spinners {
        assert_eq!(cause(&spinner.await.unwrap()), Some(TrapCause::Timeout));
    }
    assert!(fired < deadline, "the last of {TICKS} timers fired after {fired:?}, when nobody spun any more");
    assert!((deadline..SOON).contains(&began.elapsed()), "after {:?}", began.elapsed());
}

/// By how much a thousand guests that spin miss their deadlines, in order.
async fn overtimes() -> Vec<Duration> {
    let deadline = Duration::from_millis(3);
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let spinning = sandbox.program(&agent(&format!("{MEMORY} {REALLOC}"), &format!("{SPIN} unreachable"))).await;
    let agent = Agent::with_deadline(deadline);
    let mut over = Vec::new();
    for _ in 0..1_000 {
        let began = Instant::now();
        assert_eq!(cause(&agent.handle(&spinning).await), Some(TrapCause::Timeout));
        over.push(began.elapsed().saturating_sub(deadline));
    }
    over.sort();
    over
}

// In both, the median: on a machine with other things to do, one in some takes as long as the kernel lets others go first.

#[tokio::test]
async fn a_thousand_guests_that_spin_end_within_two_ticks_of_their_deadlines() {
    let over = overtimes().await;
    assert!(over[500] <= 2 * crate::TICK, "{:?} over, in the middle; {:?} at most", over[500], over.last());
}

#[tokio::test]
async fn a_machine_whose_processors_are_all_taken_does_not_hold_up_the_ticks() {
    let end = Arc::new(AtomicBool::new(false));
    let takers: Vec<_> = (0..2 * std::thread::available_parallelism().unwrap().get())
        .map(|_| {
            let end = end.clone();
            std::thread::spawn(move || {
                // As the threads where guests run on.
                rustix::process::nice(19).unwrap();
                while !end.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let over = overtimes().await;
    end.store(true, Ordering::Relaxed);
    for taker in takers {
        taker.join().unwrap();
    }
    assert!(over[500] <= 2 * crate::TICK, "{:?} over, in the middle; {:?} at most", over[500], over.last());
}
