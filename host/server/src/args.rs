//! The command line: the host's own verb beside the client's.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use host_bus::accounts::ServerAddress;

/// A host for tenants' agents: WebAssembly components that see only what they were granted.
#[derive(Debug, Parser)]
#[command(name = "bailiwick", version, about)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a host
    #[command(
        after_help = "Example:\n  bailiwick host --data ./data\n\nStop it with Ctrl-C or SIGTERM: it drains its agents and ends within \
        10 seconds. SIGHUP reads the configuration again."
    )]
    Host(HostArgs),
    /// Set up tenants as accounts of a NATS server
    Nats(NatsArgs),
    #[command(flatten)]
    Client(Box<host_cli::Verb>),
}

#[derive(Debug, Args)]
pub(crate) struct NatsArgs {
    #[command(subcommand)]
    pub(crate) verb: NatsVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NatsVerb {
    /// Make the operator's, the system's and the hosts' accounts, and the server's configuration; needs neither a host nor a server
    #[command(after_help = "Example:\n  bailiwick nats init ./nats\n\nDone twice it changes nothing.")]
    Init {
        /// Where to: what is written there are secrets, but for nats.conf
        dir: PathBuf,
        /// Where the server is to listen
        #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222")]
        url: ServerAddress,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HostArgs {
    /// Where everything that survives a restart is kept [default: .bailiwick/data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where the API listens [default: 127.0.0.1:7410]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// What carries messages: embedded, or NATS servers as nats://host:4222,nats://… [default: embedded]
    #[arg(long, value_name = "BUS")]
    pub(crate) bus: Option<String>,
    /// Have each tenant as an account of the NATS servers: the folder that `bailiwick nats init` made
    #[arg(long, value_name = "DIR")]
    pub(crate) nats_accounts: Option<PathBuf>,
    /// Configuration file [default: bailiwick-host.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print every setting with its value and what it means, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// clap checks a verb's arguments against each other only when that verb is asked for, so all are asked for here.
    #[test]
    fn no_verb_has_arguments_that_clash() {
        Program::command().debug_assert();
    }
}
