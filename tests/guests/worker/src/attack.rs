//! What a hostile agent does. All but `spin` and `trap` end in good order before their deadline, so that the host has no failure to
//! count and slows nobody down for it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bailiwick_sdk::{Draft, Host, Level, Outcome, Storage as _};

use crate::{Task, work};

/// How long an attack goes on after it began.
const LASTS: Duration = Duration::from_millis(800);
/// What is taken at a time.
const CHUNK_LEN: usize = 1 << 20;
/// A file of the storage storm.
const FILE_LEN: usize = 64 << 10;
/// How many different files it writes.
const FILES: u64 = 256;

/// Never comes back.
pub(crate) fn spin() -> ! {
    loop {
        black_box(());
    }
}

pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

/// Takes and touches as many MiB, or as many as it gets, and holds them for a while.
pub(crate) fn grow(mib: u64) -> Option<Draft> {
    let (ends, mut held) = (Instant::now() + LASTS, Vec::new());
    for _ in 0..mib {
        let mut chunk = Vec::new();
        if chunk.try_reserve_exact(CHUNK_LEN).is_err() {
            break;
        }
        chunk.resize(CHUNK_LEN, 1_u8);
        held.push(chunk);
    }
    while Instant::now() < ends {
        black_box(&held);
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Publishes as fast as it is let, refused or not.
pub(crate) fn flood(host: &impl Host, task: &Task) -> Outcome {
    let ends = Instant::now() + LASTS;
    while Instant::now() < ends {
        black_box(host.publish("load.noise", work::draft("noise", task)?)).ok();
    }
    Ok(None)
}

/// Logs as fast as it is let, in lines of 4 KiB.
pub(crate) fn logs(host: &impl Host, task: &Task) -> Option<Draft> {
    let (ends, line) = (Instant::now() + LASTS, "x".repeat(4 << 10));
    while Instant::now() < ends {
        host.log(Level::Info, &line, &[("canary", &task.canary)]);
    }
    None
}

/// Writes file after file, each over what was there before.
pub(crate) fn hoard(host: &impl Host, task: &Task) -> Option<Draft> {
    let (ends, files) = (Instant::now() + LASTS, host.storage());
    let mut body = task.canary.clone().into_bytes();
    body.resize(FILE_LEN, b'x');
    for number in (0..FILES).cycle() {
        // Refused or not, the next one is tried.
        let _ = files.write(&format!("h{number}"), &body);
        if Instant::now() >= ends {
            break;
        }
    }
    None
}
