//! The one tool that counts instructions, and how it comes here.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command;

/// Makes sure that valgrind can be run, by apt-get if need be.
pub(crate) fn ensure() -> Result<()> {
    if command::works(Command::new("valgrind").arg("--version")) {
        return Ok(());
    }
    ensure!(
        rustix::process::geteuid().is_root() && command::works(Command::new("apt-get").arg("--version")),
        "valgrind is missing, and only root on Debian or Ubuntu can have it installed by this command: \
         install your system's package `valgrind`"
    );
    install().context(
        "valgrind is missing and apt-get could not install it: check the network and run `apt-get install valgrind`",
    )
}

fn install() -> Result<()> {
    command::run(&mut apt_get(&["update"]))?;
    command::run(&mut apt_get(&["install", "--yes", "--no-install-recommends", "valgrind"]))
}

fn apt_get(args: &[&str]) -> Command {
    let mut apt_get = Command::new("apt-get");
    apt_get.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    apt_get
}
