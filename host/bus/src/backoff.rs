//! How long a message waits before it is tried again.

use std::time::Duration;

/// The wait after the first failure; it doubles with each.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait the host chooses.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// The longest wait an agent may wish for.
const WISH_MAX: Duration = Duration::from_hours(12);

/// The wait after so many failures: as long as the receiver wishes, or twice as long as the time before, and by chance up to a
/// quarter longer, so that what failed together is not tried again together.
pub(crate) fn backoff(failures: u32, wish: Option<Duration>) -> Duration {
    // Without the kernel's chance, all wait the shorter time.
    let chance = getrandom::u32().unwrap_or_default();
    spread(wait(failures, wish), chance)
}

fn wait(failures: u32, wish: Option<Duration>) -> Duration {
    match wish {
        Some(wish) => wish.min(WISH_MAX),
        None => FIRST.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(WAIT_MAX),
    }
}

fn spread(wait: Duration, chance: u32) -> Duration {
    wait + wait.mul_f64(f64::from(chance) / f64::from(u32::MAX) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes_and_a_wish_goes_before_it() {
        let check = |failures, wish: Option<u64>, millis: u64| {
            assert_eq!(
                wait(failures, wish.map(Duration::from_millis)),
                Duration::from_millis(millis),
                "{failures} {wish:?}"
            );
        };
        check(1, None, 100);
        check(2, None, 200);
        check(5, None, 1_600);
        check(12, None, 204_800);
        check(13, None, 300_000);
        check(u32::MAX, None, 300_000);
        check(3, Some(7), 7);
        check(1, Some(u64::MAX), 43_200_000);
    }

    #[test]
    fn chance_makes_it_up_to_a_quarter_longer_and_never_shorter() {
        let check = |chance, millis| {
            assert_eq!(spread(Duration::from_secs(1), chance), Duration::from_millis(millis), "{chance}");
        };
        check(0, 1_000);
        check(u32::MAX / 2 + 1, 1_125);
        check(u32::MAX, 1_250);
    }
}
