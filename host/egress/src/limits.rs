//! How much one request may move and how long it may take, and how many tenants' connections are kept.

use std::time::Duration;

/// A limit that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("egress.{name} is {value}: it must lie between {min} and {max}")]
pub struct BadEgressLimit {
    /// Which limit.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The least that is allowed.
    pub min: u64,
    /// The most that is allowed.
    pub max: u64,
}

/// The shortest wait a guest can ask for. A zero would be no wait but a failure.
const WAIT_MIN: Duration = Duration::from_millis(1);

macro_rules! egress_limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $min:expr => $max:expr;)*) => {
        /// What bounds each request. Each limit bites; zero and absurd values do not load.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct EgressLimits {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Default for EgressLimits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl EgressLimits {
            /// The limits themselves, if each can be meant.
            pub fn checked(self) -> Result<Self, BadEgressLimit> {
                $(check(stringify!($name), self.$name.into(), $min, $max)?;)*
                Ok(self)
            }
        }
    };
}

egress_limits! {
    /// Bytes of a request's body.
    request_bytes_max: u32 = 1 << 20, 1 => host_calls::REQUEST_BYTES_MAX.into();
    /// Bytes of a response's body.
    response_bytes_max: u32 = 8 << 20, 1 => 256 << 20;
    /// Bytes of a response's head: its status line and headers.
    head_bytes_max: u32 = 32 << 10, 8 << 10 => 1 << 20;
    /// Headers of a response.
    headers_max: u32 = 100, 1 => 1_000;
    /// Resolving and connecting, in milliseconds.
    connect_ms_max: u32 = 5_000, 1 => 30_000;
    /// From the request to the head of its response, in milliseconds.
    first_byte_ms_max: u32 = 30_000, 1 => 30_000;
    /// From one part of a response's body to the next, in milliseconds.
    between_bytes_ms_max: u32 = 10_000, 1 => 30_000;
    /// From the request to the end of its response, in milliseconds.
    total_ms_max: u32 = 60_000, 1 => 600_000;
    /// Tenants whose connections are kept for their next request.
    pools_max: u32 = 256, 1 => 10_000;
}

fn check(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), BadEgressLimit> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(BadEgressLimit { name, value, min, max }) }
}

/// How long a guest would wait. Nothing means the host's limit, and so does what lies past it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// For the connection.
    pub connect: Option<Duration>,
    /// From then on, for the head of the response.
    pub first_byte: Option<Duration>,
    /// From one part of the body to the next.
    pub between_bytes: Option<Duration>,
    /// For all of it.
    pub total: Option<Duration>,
}

impl EgressLimits {
    /// The longest wait for the head of a response, connecting included.
    pub(crate) fn head_wait(&self, waits: &Waits) -> Duration {
        clamp(waits.connect, self.connect_ms_max).saturating_add(clamp(waits.first_byte, self.first_byte_ms_max))
    }

    /// The longest time for all of it.
    pub(crate) fn total_wait(&self, waits: &Waits) -> Duration {
        clamp(waits.total, self.total_ms_max)
    }

    /// The longest wait for the next part of a body.
    pub(crate) fn body_wait(&self, waits: &Waits) -> Duration {
        clamp(waits.between_bytes, self.between_bytes_ms_max)
    }
}

fn clamp(asked: Option<Duration>, max_ms: u32) -> Duration {
    let max = millis(max_ms);
    asked.unwrap_or(max).clamp(WAIT_MIN, max)
}

pub(crate) fn millis(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_absurd_limits_do_not_load() {
        let bad = |change: fn(&mut EgressLimits)| {
            let mut limits = EgressLimits::default();
            change(&mut limits);
            limits.checked().map_err(|bad| bad.name)
        };
        assert!(bad(|_| {}).is_ok());
        assert_eq!(bad(|l| l.request_bytes_max = 0), Err("request_bytes_max"));
        assert_eq!(bad(|l| l.head_bytes_max = 1), Err("head_bytes_max"));
        assert_eq!(bad(|l| l.first_byte_ms_max = u32::MAX), Err("first_byte_ms_max"));
        assert_eq!(bad(|l| l.pools_max = 0), Err("pools_max"));
    }

    #[test]
    fn what_a_guest_would_wait_lies_between_a_millisecond_and_the_limit() {
        let check = |asked, expected: u64| {
            let waits = Waits { between_bytes: asked, ..Waits::default() };
            assert_eq!(EgressLimits::default().body_wait(&waits), Duration::from_millis(expected), "{asked:?}");
        };
        check(None, 10_000);
        check(Some(Duration::ZERO), 1);
        check(Some(Duration::from_millis(7)), 7);
        check(Some(Duration::from_nanos(u64::MAX)), 10_000);
        check(Some(Duration::MAX), 10_000);
    }
}
