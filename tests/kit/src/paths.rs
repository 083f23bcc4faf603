//! Where things lie: the binary beside this very test, the repository, the components.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository that this was built in")
}

/// `bailiwick`, found beside the test that runs, wherever cargo was told to build (`CARGO_TARGET_DIR`).
pub(crate) fn binary() -> PathBuf {
    built("bailiwick")
}

/// What the workspace's build leaves beside the binary.
pub fn built(name: &str) -> PathBuf {
    let path = profile_dir().join(name);
    assert!(path.exists(), "there is no {}: run `cargo build --workspace` first", path.display());
    path
}

/// A folder for what outlives one test, beside the binary.
pub(crate) fn scratch() -> PathBuf {
    profile_dir().join("tests-kit")
}

/// The bytes of a file of this repository that `cargo xtask guests` makes, or that lies in it.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| {
        unreachable!("cannot read {} ({error}): run `cargo xtask guests` first", path.display())
    })
}

/// A word that stands nowhere else: 128 random bits in hexadecimal.
pub fn canary() -> String {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).expect("the kernel's random bytes");
    bytes.iter().fold("canary".to_owned(), |word, byte| format!("{word}{byte:02x}"))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    profile_dir().parent().expect("a profile lies in the target directory").to_owned()
}

/// A test lies in `PROFILE/deps`, a binary in `PROFILE`.
fn profile_dir() -> PathBuf {
    let this = env::current_exe().expect("the path of this program");
    let folder = this.parent().expect("a program lies in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps lies in a profile").to_owned()
    } else {
        folder.to_owned()
    }
}
