//! The workspaces that hold components, and how they are built.
//!
//! A component always lands in `WORKSPACE/target/wasm32-wasip2/release/`, also under a `CARGO_TARGET_DIR`:
//! the agents' manifests name it there.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repo::Repo;
use crate::steps::Steps;
use crate::{command, env};

/// The agents that we show, also built natively for their unit tests.
pub(crate) const EXAMPLES: &str = "examples";
/// What an agent is written with.
pub(crate) const SDK: &str = "guest-sdk";
/// The well-behaved and the hostile guests of the tests.
pub(crate) const TEST_GUESTS: &str = "tests/guests";
/// Every workspace apart from the root.
pub(crate) const WORKSPACES: [&str; 3] = [SDK, EXAMPLES, TEST_GUESTS];

const WASM: &str = "wasm32-wasip2";

/// `cargo xtask guests`.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let mut steps = Steps::new(3);
    steps.step("have the wasm target", ensure_target)?;
    steps.step("build the examples", || build(repo, EXAMPLES))?;
    steps.step("build the tests' guests", || build(repo, TEST_GUESTS))
}

/// Makes sure that components can be compiled, by rustup if need be.
pub(crate) fn ensure_target() -> Result<()> {
    if env::guest_toolchain().is_some() || target_installed()? {
        return Ok(());
    }
    command::run(Command::new("rustup").args(["target", "add", WASM])).with_context(|| {
        format!(
            "Rust's {WASM} target is missing and rustup could not add it: \
             check the network and run `rustup target add {WASM}`"
        )
    })
}

/// Compiles the components of one workspace.
pub(crate) fn build(repo: &Repo, workspace: &str) -> Result<()> {
    let mut cargo = cargo(repo, workspace, ["build", "--release", "--target", WASM, "--target-dir", "target"]);
    if let Some(toolchain) = env::guest_toolchain() {
        cargo.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    command::run(&mut cargo)
}

/// Cargo in one of [`WORKSPACES`]; found by name, because rustup picks the toolchain.
pub(crate) fn cargo<'a>(repo: &Repo, workspace: &str, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repo.path(workspace)).args(args);
    cargo
}

fn target_installed() -> Result<bool> {
    let libraries = command::capture(Command::new("rustc").args(["--print", "target-libdir", "--target", WASM]))?;
    let libraries = libraries.trim();
    if libraries.is_empty() {
        bail!(
            "rustc does not know {WASM}: install the toolchain of rust-toolchain.toml with `rustup toolchain install`"
        );
    }
    Ok(Path::new(libraries).is_dir())
}
