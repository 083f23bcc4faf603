//! The binary `bailiwick`: read the configuration, wire the rooms together, run, drain. No logic.

mod args;
mod config;
mod files;
mod host;
mod layers;
mod logging;
mod nats;
mod sharing;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Program, Verb};

fn main() -> ExitCode {
    // Before anything else: the compiling child must have no threads, no configuration and no runtime of the host.
    if std::env::args().nth(1).as_deref() == Some(host::COMPILE_VERB) {
        return compile();
    }
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => return usage(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start: the machine gives no threads")),
    };
    match program.verb {
        Verb::Host(args) => runtime.block_on(host::run(args)).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS),
        Verb::Nats(args) => nats::run(args).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS),
        Verb::Client(verb) => runtime.block_on(host_cli::run(*verb, Program::command())),
    }
}

/// Help and version as clap prints them; bad usage as one line that says what is off and where to look.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let text = error.to_string();
        let problem: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        complain(&format!("{} (see --help)", problem.join(" ")));
        return ExitCode::from(2);
    }
    // A reader that has gone away has read enough.
    let _ = error.print();
    ExitCode::from(u8::from(error.use_stderr()) * 2)
}

fn compile() -> ExitCode {
    match host_engine::compile_stdin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            complain(&complaint);
            ExitCode::FAILURE
        }
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    complain(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "the last words of a process that has no log")]
fn complain(line: &str) {
    eprintln!("{line}");
}
