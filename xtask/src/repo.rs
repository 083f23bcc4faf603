//! Where things are: the clone, and what cargo builds from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{command, env};

/// The clone that this xtask was started in.
#[derive(Deserialize)]
pub(crate) struct Repo {
    #[serde(rename = "workspace_root")]
    root: PathBuf,
    #[serde(rename = "target_directory")]
    target: PathBuf,
}

/// Which of cargo's profiles a binary was built with.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Repo {
    /// Asks cargo, which also knows of a `CARGO_TARGET_DIR` outside the clone.
    pub(crate) fn find() -> Result<Self> {
        let json = command::capture(Command::new(env::cargo()).args(["metadata", "--no-deps", "--format-version=1"]))?;
        serde_json::from_str(&json).context("cannot read what `cargo metadata` printed")
    }

    /// A path inside the clone.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A path inside cargo's target directory.
    pub(crate) fn target(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.target.join(relative)
    }

    /// Cargo in the root workspace.
    pub(crate) fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut cargo = Command::new(env::cargo());
        cargo.current_dir(&self.root).args(args);
        cargo
    }

    /// A binary that an earlier step built.
    pub(crate) fn binary(&self, profile: Profile, name: &str) -> Result<PathBuf> {
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        let path = self.target.join(folder).join(name);
        ensure!(path.is_file(), "{} is not built: run `cargo build --workspace` and read its output", path.display());
        Ok(path)
    }
}
