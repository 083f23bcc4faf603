//! System calls without the C library's functions, which are the shim's own here.

use std::ffi::{CStr, CString, c_void};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

/// What the kernel knows of a file that is open, or none if it knows nothing.
pub(crate) fn statx(fd: RawFd) -> Option<libc::statx> {
    let mut found = MaybeUninit::<libc::statx>::uninit();
    let wanted = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    // SAFETY: the path is an empty C string, and the kernel fills `found` where it answers 0.
    unsafe {
        let answer = libc::syscall(libc::SYS_statx, fd, c"".as_ptr(), libc::AT_EMPTY_PATH, wanted, found.as_mut_ptr());
        (answer == 0).then(|| found.assume_init())
    }
}

/// The flags that a file was opened with.
pub(crate) fn flags(fd: RawFd) -> i32 {
    // SAFETY: no pointers.
    i32::try_from(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL) }).unwrap_or(0)
}

/// Where the next `write` goes.
pub(crate) fn position(fd: RawFd) -> u64 {
    // SAFETY: no pointers.
    u64::try_from(unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) }).unwrap_or(0)
}

/// Opens a path of the kernel's own, such as one below `/proc`, for reading.
pub(crate) fn open_to_read(path: &CStr) -> Option<RawFd> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: a C string.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) };
    RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)
}

/// Reads as much of a range as the file has.
pub(crate) fn read_at(fd: RawFd, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; len];
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        // SAFETY: the pointer and the length are those of `rest`.
        let more = unsafe {
            let to = rest.as_mut_ptr().cast::<c_void>();
            libc::syscall(libc::SYS_pread64, fd, to, rest.len(), offset + read as u64)
        };
        match usize::try_from(more) {
            Ok(more) if more > 0 => read += more,
            _ => break,
        }
    }
    bytes.truncate(read);
    bytes
}

/// Appends all of it, and says whether that worked.
pub(crate) fn append(fd: RawFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of `bytes`.
        let wrote = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
        match usize::try_from(wrote).ok().filter(|wrote| *wrote > 0).and_then(|wrote| bytes.get(wrote..)) {
            Some(rest) => bytes = rest,
            None => return false,
        }
    }
    true
}

/// Empties a file, and says whether that worked.
pub(crate) fn empty(fd: RawFd) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_ftruncate, fd, 0) == 0 }
}

/// The kernel's own name for an open file.
pub(crate) fn proc_path(fd: RawFd) -> CString {
    CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default()
}
