//! The functions of the C library that the shim stands in for: those that change a file's bytes or length, and those that sync.
//!
//! Each asks the kernel itself, so none needs the function that it hides. The C library has two names for those with an offset.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::os::fd::RawFd;

use libc::{clockid_t, iovec, mode_t, off_t, size_t, ssize_t, timespec};

use crate::shim::{Change, shim};
use crate::target::Target;
use crate::{clock, failure};

/// write(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t {
    // SAFETY: as the caller of write(2) promises.
    let act = || answer(unsafe { libc::syscall(libc::SYS_write, fd, bytes, len) });
    let Some(_) = watched(fd) else { return act() };
    // SAFETY: the same.
    let bytes = unsafe { slice(bytes, len) };
    changed(fd, |target| Change::Write { offset: target.next_offset(fd), bytes }, act)
}

/// writev(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: as the caller of writev(2) promises.
    let act = || answer(unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) });
    let Some(_) = watched(fd) else { return act() };
    // SAFETY: the same.
    let bytes = unsafe { joined(parts, count) };
    changed(fd, |target| Change::Write { offset: target.next_offset(fd), bytes: &bytes }, act)
}

/// pwrite(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, len: size_t, offset: off_t) -> ssize_t {
    // SAFETY: as the caller of pwrite(2) promises.
    let act = || answer(unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, len, offset) });
    let (Some(_), Ok(offset)) = (watched(fd), u64::try_from(offset)) else { return act() };
    // SAFETY: the same.
    let bytes = unsafe { slice(bytes, len) };
    changed(fd, |_| Change::Write { offset, bytes }, act)
}

/// pwrite(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, len: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the same promise.
    unsafe { pwrite64(fd, bytes, len, offset) }
}

/// pwritev(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev64(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // The kernel takes the offset in two halves, of which a machine of 64 bits uses the first.
    // SAFETY: as the caller of pwritev(2) promises.
    let act = || answer(unsafe { libc::syscall(libc::SYS_pwritev, fd, parts, count, offset, 0) });
    let (Some(_), Ok(offset)) = (watched(fd), u64::try_from(offset)) else { return act() };
    // SAFETY: the same.
    let bytes = unsafe { joined(parts, count) };
    changed(fd, |_| Change::Write { offset, bytes: &bytes }, act)
}

/// pwritev(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: the same promise.
    unsafe { pwritev64(fd, parts, count, offset) }
}

/// ftruncate(2).
#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, len: off_t) -> c_int {
    // SAFETY: no pointers.
    let act = || small(unsafe { libc::syscall(libc::SYS_ftruncate, fd, len) });
    let (Some(_), Ok(len)) = (watched(fd), u64::try_from(len)) else { return act() };
    changed(fd, |_| Change::Length(len), act)
}

/// ftruncate(2).
#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, len: off_t) -> c_int {
    ftruncate64(fd, len)
}

/// fsync(2).
#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: no pointers.
    synced(fd, || small(unsafe { libc::syscall(libc::SYS_fsync, fd) }))
}

/// fdatasync(2): with all that is needed to read the data back, so with the length.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: no pointers.
    synced(fd, || small(unsafe { libc::syscall(libc::SYS_fdatasync, fd) }))
}

/// open(2). A file that is emptied by opening it is opened first and emptied then. On all machines of 64 bits, the mode that is only
/// passed where a file may be made comes in the same register as a third parameter.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the same promise.
    unsafe { openat64(libc::AT_FDCWD, path, flags, mode) }
}

/// open(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the same promise.
    unsafe { openat64(libc::AT_FDCWD, path, flags, mode) }
}

/// openat(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the same promise.
    unsafe { openat64(dir, path, flags, mode) }
}

/// openat(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
    let empties = writes && flags & libc::O_TRUNC != 0 && shim().is_some();
    let kept = if empties { flags & !libc::O_TRUNC } else { flags };
    // SAFETY: as the caller of openat(2) promises.
    let fd = small(unsafe { libc::syscall(libc::SYS_openat, dir, path, kept, mode) });
    if empties && fd >= 0 {
        ftruncate64(fd, 0);
    }
    fd
}

/// fallocate(2): not for watched files. Whoever asks writes instead.
#[unsafe(no_mangle)]
extern "C" fn fallocate64(fd: c_int, mode: c_int, offset: off_t, len: off_t) -> c_int {
    if watched(fd).is_some() {
        return refused(libc::EOPNOTSUPP);
    }
    // SAFETY: no pointers.
    small(unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, len) })
}

/// fallocate(2).
#[unsafe(no_mangle)]
extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, len: off_t) -> c_int {
    fallocate64(fd, mode, offset, len)
}

/// `copy_file_range(2)`: not to watched files. Whoever asks reads and writes instead.
#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_at: *mut off_t,
    to: c_int,
    to_at: *mut off_t,
    len: size_t,
    flags: u32,
) -> ssize_t {
    if watched(to).is_some() {
        return refused(libc::EXDEV) as ssize_t;
    }
    // SAFETY: as the caller of copy_file_range(2) promises.
    answer(unsafe { libc::syscall(libc::SYS_copy_file_range, from, from_at, to, to_at, len, flags) })
}

/// sendfile(2): not to watched files. Whoever asks reads and writes instead.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile64(to: c_int, from: c_int, offset: *mut off_t, len: size_t) -> ssize_t {
    if watched(to).is_some() {
        return refused(libc::EINVAL) as ssize_t;
    }
    // SAFETY: as the caller of sendfile(2) promises.
    answer(unsafe { libc::syscall(libc::SYS_sendfile, to, from, offset, len) })
}

/// `clock_gettime(2)`: the time of day is moved, the others are as they are.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(id: clockid_t, to: *mut timespec) -> c_int {
    // SAFETY: as the caller of clock_gettime(2) promises.
    let answer = small(unsafe { libc::syscall(libc::SYS_clock_gettime, id, to) });
    if answer == 0 && id == libc::CLOCK_REALTIME {
        // SAFETY: the kernel has just written there.
        clock::shift(unsafe { &mut *to });
    }
    answer
}

fn watched(fd: RawFd) -> Option<Target> {
    shim()?.target(fd)
}

fn changed<'a, T>(fd: RawFd, change: impl FnOnce(&Target) -> Change<'a>, act: impl FnOnce() -> T) -> T {
    match shim() {
        Some(shim) => shim.change(fd, change, act),
        None => act(),
    }
}

fn synced(fd: RawFd, act: impl FnOnce() -> c_int) -> c_int {
    if failure::is_due(fd) {
        return refused(libc::EIO);
    }
    match shim().and_then(|shim| Some((shim, shim.target(fd)?))) {
        Some((shim, target)) => shim.sync(&target, act),
        None => act(),
    }
}

/// SAFETY: `bytes` points to `len` bytes, or `len` is 0.
unsafe fn slice<'a>(bytes: *const c_void, len: size_t) -> &'a [u8] {
    // SAFETY: as above.
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(bytes.cast(), len) } }
}

/// SAFETY: `parts` points to `count` parts, each as in [`slice`].
unsafe fn joined(parts: *const iovec, count: c_int) -> Vec<u8> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: as above.
    let parts = if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(parts, count) } };
    // SAFETY: as above.
    parts.iter().flat_map(|part| unsafe { slice(part.iov_base, part.iov_len) }).copied().collect()
}

/// What the kernel answered, as the C library passes it on: `libc::syscall` has put away the error.
fn answer(raw: c_long) -> ssize_t {
    ssize_t::try_from(raw).unwrap_or(-1)
}

fn small(raw: c_long) -> c_int {
    c_int::try_from(raw).unwrap_or(-1)
}

fn refused(error: c_int) -> c_int {
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() = error };
    -1
}
