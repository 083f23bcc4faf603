//! What needs neither a host nor a component: completions and the version.

use clap::Args;
use clap_complete::Shell;

use crate::error::CliError;
use crate::print::{self, Output};

/// The command's name.
const PROGRAM: &str = "bailiwick";

/// `completions SHELL`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bailiwick completions bash > ~/.local/share/bash-completion/completions/bailiwick")]
pub struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

/// `version`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bailiwick version -o json")]
pub struct VersionArgs {
    #[command(flatten)]
    output: Output,
}

pub(crate) fn completions(args: &CompletionsArgs, mut program: clap::Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, PROGRAM, &mut script);
    print::write(&String::from_utf8_lossy(&script))
}

pub(crate) fn version(args: &VersionArgs) -> Result<(), CliError> {
    let version = serde_json::json!({ "name": PROGRAM, "version": env!("CARGO_PKG_VERSION") });
    args.output.document(&version, |_| format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")))
}
