//! Behaviours that spend what they should not: time, fuel, stack, memory, the instance itself.

use std::hint::black_box;

use bailiwick_sdk::Host;
use serde_json::{Value, json};

/// What [`grow`] asks for at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// A 32-bit memory holds no more chunks than this.
const CHUNKS_MAX: usize = 4096;

/// Never comes back, and calls nobody.
pub(crate) fn spin() -> ! {
    loop {
        black_box(());
    }
}

/// Never comes back, and calls the cheapest host function all the while.
pub(crate) fn calls(host: &impl Host) -> ! {
    loop {
        black_box(host.setting("none"));
    }
}

/// Ends at the end of the stack. Each level holds 1 KiB.
#[expect(unconditional_recursion, reason = "that is the point")]
pub(crate) fn recurse(level: u64) -> u64 {
    let frame = black_box([level; 128]);
    recurse(level + 1) + black_box(frame).iter().sum::<u64>()
}

/// Takes and touches memory until no more is given, then lets go and says how much it was. Wasm memory never shrinks, so the
/// instance stays as large.
pub(crate) fn grow() -> Value {
    let mut held: Vec<Vec<u8>> = Vec::with_capacity(CHUNKS_MAX);
    while held.len() < CHUNKS_MAX {
        let mut chunk = Vec::new();
        if chunk.try_reserve_exact(CHUNK_BYTES).is_err() {
            break;
        }
        chunk.resize(CHUNK_BYTES, 1);
        held.push(black_box(chunk));
    }
    json!({ "bytes": held.len() * CHUNK_BYTES })
}

/// Executes `unreachable`.
pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

/// Panics, which prints to standard error before it traps.
#[expect(clippy::panic, reason = "that is the point")]
pub(crate) fn panic(text: &str) -> ! {
    panic!("told to panic: {text}")
}
