//! One host at a time: an advisory lock on a file, which the kernel gives back however the host ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::StoreError;
use crate::files::io_error;

/// The longest text of a process id, with its end of line.
const PID_LEN_MAX: u64 = 16;

/// Holds a data directory until the last one who shares it is dropped. The file stays: it is the lock on it that counts.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Never waits: [`StoreError::InUse`] names the holder.
    pub(crate) fn take(dir: &Path, file: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut held = options.open(file).map_err(io_error("open", file))?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { path: dir.to_owned(), pid: pid_in(&held) });
            }
            Err(TryLockError::Error(cause)) => return Err(io_error("lock", file)(cause)),
        }
        write_pid(&mut held).map_err(io_error("write", file))?;
        Ok(Self { _file: held })
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// What the holder wrote, if it has come that far.
fn pid_in(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_LEN_MAX).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}
