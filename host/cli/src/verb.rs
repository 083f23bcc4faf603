//! The verbs, and how they end.

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::CliError;
use crate::{agent, audit, group, inspect, offline, policy, print, queue, tenant, topic, usage, vault};

/// What operators and authors ask of a host, and what works without one.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create tenants, look at them, stop them, say what they may use
    Tenant(tenant::TenantArgs),
    /// Deploy agents, watch them, talk to them
    Agent(agent::AgentArgs),
    /// Publish to topics and watch them, for debugging
    Topic(topic::TopicArgs),
    /// Look at queues: what waits and who receives
    Queue(queue::QueueArgs),
    /// Look at messages that were given up, send them again, delete them
    Dlq(queue::DlqArgs),
    /// Set what groups of agents share, see who is in one and who leads it
    Group(group::GroupArgs),
    /// Say why a call is, or would be, allowed or denied
    Explain(policy::ExplainArgs),
    /// Read what happened, and check that its record still holds
    Audit(audit::AuditArgs),
    /// Show what tenants used
    Usage(usage::UsageArgs),
    /// Change the key that seals all keys and secrets
    Vault(vault::VaultArgs),
    /// Show what a component imports and exports, by capability; needs no host
    Inspect(inspect::InspectArgs),
    /// Print a completion script for a shell
    Completions(offline::CompletionsArgs),
    /// Print the version
    Version(offline::VersionArgs),
}

/// Does what was asked and says on standard error, in one line, why it could not.
///
/// `program` is the whole command line, with the verbs of `server`, for completions. Ends with 0 on success, 1 on refusal or
/// failure, 2 on bad usage. A reader that has read enough (`| head -1`) is success.
pub async fn run(verb: Verb, program: clap::Command) -> ExitCode {
    let done = match verb {
        Verb::Tenant(args) => tenant::run(args).await,
        Verb::Agent(args) => agent::run(args).await,
        Verb::Topic(args) => topic::run(args).await,
        Verb::Queue(args) => queue::run(args).await,
        Verb::Dlq(args) => queue::dlq(args).await,
        Verb::Group(args) => group::run(args).await,
        Verb::Explain(args) => policy::explain(args).await,
        Verb::Audit(args) => audit::run(args).await,
        Verb::Usage(args) => usage::run(args).await,
        Verb::Vault(args) => vault::run(args).await,
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Completions(args) => offline::completions(&args, program),
        Verb::Version(args) => offline::version(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ended_by(&error),
    }
}

fn ended_by(error: &CliError) -> ExitCode {
    if !error.is_reader_gone() {
        print::note(&format!("error: {error}"));
    }
    ExitCode::from(error.exit_code())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "bailiwick")]
    struct Program {
        #[command(subcommand)]
        verb: Verb,
    }

    fn check(line: &str, problem: Option<&str>) {
        let refused =
            Program::try_parse_from(line.split(' ')).err().map(|error| (error.exit_code(), error.to_string()));
        match (problem, refused) {
            (None, None) => {}
            (Some(problem), Some((2, text))) => assert!(text.contains(problem), "{line}: {text}"),
            (problem, refused) => unreachable!("{line}: {problem:?} {refused:?}"),
        }
    }

    #[test]
    fn verbs_are_read_as_promised() {
        check("bailiwick tenant create acme --name Acme", None);
        check("bailiwick tenant quarantine acme --reason mines", None);
        check("bailiwick tenant quota set acme memory=1GiB messages-per-second=500 weight=default", None);
        check("bailiwick tenant quota set acme --file quota.toml -o json", None);
        check("bailiwick agent quarantine echo --tenant acme --reason mines", None);
        check("bailiwick agent deploy bailiwick.toml --tenant acme -o json", None);
        check("bailiwick tenant key revoke 4be0643f1d98573b --tenant acme", None);
        check("bailiwick tenant secret set api --tenant acme --from-file token", None);
        check("bailiwick agent --tenant acme list", None);
        check("bailiwick group set search model=small --tenant acme -o json", None);
        check("bailiwick agent register meter --tenant acme -o json", None);
        check("bailiwick agent token meter --tenant acme --expires-in 2h", None);
        check("bailiwick agent token meter --tenant acme --revoke 4be0643f1d98573b", None);
        check("bailiwick agent credentials meter --tenant acme --expires-in 10m", None);
        check("bailiwick agent send echo --tenant acme --type t --data @- --wait", None);
        check("bailiwick agent send echo --tenant acme --type t --wait 5 --header a=b --header c=d", None);
        check("bailiwick agent logs echo -f --since 10m --level warn --source stdout --contains x", None);
        check("bailiwick topic sub incident.> --tenant acme -n 3", None);
        check("bailiwick inspect echo.wasm --manifest bailiwick.toml -o yaml", None);
        check("bailiwick tenant policy set acme policy.toml --shadow", None);
        check("bailiwick explain echo publish a.b --tenant acme", None);
        check("bailiwick agent approve echo 1.1.0 --tenant acme", None);
        check("bailiwick audit list --tenant acme --since 1h --action agent --decision denied --limit 5", None);
        check("bailiwick audit verify --data ./data -o json", None);
        check("bailiwick usage --tenant acme", None);
        check("bailiwick vault rotate -o json", None);
        check("bailiwick completions bash", None);
        check("bailiwick queue list --tenant acme -o json", None);
        check("bailiwick dlq show 17 --tenant acme --payload --reason why", None);
        check("bailiwick dlq replay --queue echo --cause trap --tenant acme", None);
        check("bailiwick dlq purge --until 7d --tenant acme -y", None);
    }

    #[test]
    fn bad_usage_names_what_is_off() {
        check("bailiwick tenant create ACME", Some("'ACME' is not an id"));
        check("bailiwick tenant quota set acme", Some("<NAME=VALUE>"));
        check("bailiwick tenant quota set acme memory", Some("use NAME=VALUE"));
        check("bailiwick tenant quota set acme memory=1GB", Some("'1GB' is not a number"));
        check("bailiwick tenant key revoke 4BE0 --tenant acme", Some("not a key id"));
        check("bailiwick tenant secret set api s3cret --tenant acme", Some("unexpected argument"));
        check("bailiwick agent show dlq --tenant acme", Some("'dlq' is reserved"));
        check("bailiwick agent send echo", Some("--type <TYPE>"));
        check("bailiwick agent send echo --type t --wait 0", Some("0 is not in 1..=60"));
        check("bailiwick agent send echo --type t --header a", Some("use NAME=VALUE"));
        check("bailiwick agent token meter --expires-in soon", Some("use a number and s, m, h or d"));
        check("bailiwick agent token meter --list --revoke x", Some("cannot be used with"));
        check("bailiwick agent logs echo --since soon", Some("how long ago"));
        check("bailiwick agent logs echo --level loud", Some("use one of trace"));
        check("bailiwick agent logs echo --limit 1001", Some("1001 is not in 1..=1000"));
        check("bailiwick audit list --decision maybe", Some("[possible values: allowed, denied, done, failed]"));
        check("bailiwick dlq show 17 --payload", Some("--reason <REASON>"));
        check("bailiwick dlq replay", Some("required arguments"));
        check("bailiwick dlq replay 17 --all", Some("cannot be used with"));
        check("bailiwick dlq replay --cause boredom", Some("not a cause of a dead letter"));
        check("bailiwick dlq purge", Some("required arguments"));
        check("bailiwick agent send echo --type t --qos thrice", Some("use at-least-once or at-most-once"));
        check("bailiwick agent list -o xml", Some("[possible values: table, json, yaml]"));
    }

    /// Everything `--help` says, verb by verb, is looked at before it changes.
    #[test]
    fn help_is_as_reviewed() {
        let mut help = String::new();
        collect(Program::command().term_width(100), "", &mut help);
        insta::with_settings!({ snapshot_path => "../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!("help", help);
        });
    }

    #[test]
    fn every_verb_shows_an_example() {
        each_leaf(&Program::command(), &|verb| {
            let example = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("bailiwick "), "{}", verb.get_name());
        });
    }

    fn each_leaf(command: &clap::Command, check: &impl Fn(&clap::Command)) {
        if command.get_subcommands().next().is_none() {
            check(command);
        }
        command.get_subcommands().for_each(|verb| each_leaf(verb, check));
    }

    fn collect(mut command: clap::Command, above: &str, help: &mut String) {
        command.build();
        let name = format!("{above} {}", command.get_name()).trim().to_owned();
        let text = command.render_help().to_string();
        help.extend(["$ ", &name, " --help\n", text.trim_end(), "\n\n"]);
        let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help");
        verbs.cloned().for_each(|verb| collect(verb, &name, help));
    }
}
