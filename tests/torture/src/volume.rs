//! A small disk that can be filled: a file system in memory, mounted for as long as this lives. Only root may do that.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What fills it.
const FILLER: &str = "filler";
/// How much is written at once.
const CHUNK_LEN: usize = 4096;

/// A mounted volume.
pub(crate) struct Volume {
    at: PathBuf,
}

impl Volume {
    /// Mounts one of so many bytes and inodes. The error says why that cannot be done here.
    pub(crate) fn mount(at: &Path, bytes_max: u64, inodes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(at)?;
        let options = format!("size={bytes_max},nr_inodes={inodes_max}");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "torture"]).arg(at).output()?;
        if output.status.success() {
            Ok(Self { at: at.to_owned() })
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
        }
    }

    /// Takes every byte that is free.
    pub(crate) fn fill(&self) -> io::Result<()> {
        let mut filler = File::create(self.at.join(FILLER))?;
        full(|_| filler.write(&[0; CHUNK_LEN]).map(drop))
    }

    /// Takes every inode that is free.
    pub(crate) fn fill_inodes(&self) -> io::Result<()> {
        let folder = self.at.join(FILLER);
        fs::create_dir(&folder)?;
        full(|number| File::create(folder.join(number.to_string())).map(drop))
    }

    /// Gives all that back.
    pub(crate) fn free(&self) -> io::Result<()> {
        let filler = self.at.join(FILLER);
        if filler.is_dir() { fs::remove_dir_all(filler) } else { fs::remove_file(filler) }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // At once if nobody has a file open in it, and otherwise when the last one is closed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).output();
    }
}

/// Goes on until there is no room.
fn full(mut more: impl FnMut(u64) -> io::Result<()>) -> io::Result<()> {
    for number in 0.. {
        match more(number) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many bytes and files lie below a folder.
pub(crate) fn size(folder: &Path) -> io::Result<(u64, u64)> {
    let mut found = (0, 1);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (bytes, files) =
            if entry.file_type()?.is_dir() { size(&entry.path())? } else { (entry.metadata()?.len(), 1) };
        found = (found.0 + bytes, found.1 + files);
    }
    Ok(found)
}

/// Copies a folder with all that is below it.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
