//! One step in a directory: what a name is there, and the way through it. No link is ever followed.

use std::io::{self, ErrorKind};

use cap_std::fs::{Dir, File, Metadata, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// What a name is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    /// A file of so many bytes.
    File(u64),
    Directory,
    /// A link, a device, a socket: nothing that an agent made, and nothing that it gets.
    Foreign,
}

impl Kind {
    fn of(metadata: &Metadata) -> Self {
        match metadata {
            file if file.is_file() => Self::File(file.len()),
            directory if directory.is_dir() => Self::Directory,
            _ => Self::Foreign,
        }
    }
}

/// What a name is in a directory.
pub(super) fn kind(dir: &Dir, name: &str) -> io::Result<Kind> {
    match dir.symlink_metadata(name) {
        Ok(metadata) => Ok(Kind::of(&metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Kind::Nothing),
        Err(error) => Err(error),
    }
}

/// A directory in a directory; none if the name is anything else.
pub(super) fn enter(dir: &Dir, name: &str) -> io::Result<Option<Dir>> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed());
    match dir.open_with(name, &options) {
        Ok(opened) => Ok(Some(Dir::from_std_file(opened.into_std()))),
        Err(error) if is_no_way(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file in a directory; none if the name is anything else. `options` say what for.
pub(super) fn open_file(dir: &Dir, name: &str, options: &mut OpenOptions) -> io::Result<Option<File>> {
    // A pipe that lies there must not hold the thread up.
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    match dir.open_with(name, options) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if is_no_way(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that there is no such thing of that kind, and not that the disk failed.
fn is_no_way(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR | Errno::NXIO))
        || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
