//! The time of day, moved by as many milliseconds as a file says that others write to while the process runs.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// The file: eight bytes, a number in the machine's own order.
const FILE: &str = "SHIM_CLOCK";
const LEN: usize = 8;

/// Moves a moment.
pub(crate) fn shift(moment: &mut libc::timespec) {
    let Some(millis) = offset_millis() else { return };
    let nanos = i128::from(moment.tv_sec) * 1_000_000_000 + i128::from(moment.tv_nsec) + i128::from(millis) * 1_000_000;
    moment.tv_sec = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(moment.tv_sec);
    moment.tv_nsec = i64::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(moment.tv_nsec);
}

fn offset_millis() -> Option<i64> {
    static OFFSET: OnceLock<Option<&'static AtomicI64>> = OnceLock::new();
    OFFSET.get_or_init(map).map(|offset| offset.load(Ordering::Relaxed))
}

/// Maps the file for as long as the process lives.
#[expect(clippy::disallowed_methods, reason = "nobody hands a preloaded library its settings")]
fn map() -> Option<&'static AtomicI64> {
    let file = File::open(std::env::var_os(FILE)?).ok()?;
    if file.metadata().ok()?.len() < LEN as u64 {
        return None;
    }
    // SAFETY: a mapping of our own, of a file that is as long, at the start of a page; it is never unmapped, and only read.
    unsafe {
        let mapped = libc::mmap(ptr::null_mut(), LEN, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0);
        (mapped != libc::MAP_FAILED).then(|| &*mapped.cast::<AtomicI64>().cast_const())
    }
}
