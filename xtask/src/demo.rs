//! `cargo xtask demo`: the main job on real components, then the proof that nothing crossed.
//!
//! Two tenants run the same agents on the same topics. Incidents go to `acme` only; `globex` listens all the while.
//! Every step is done by the commands that a user has.

mod client;
mod conversation;
mod host;
mod message;
mod nats;
mod report;
mod stop;
mod watch;

use std::fs;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::client::Client;
use self::conversation::Conversation;
use self::host::Host;
use self::report::Report;
use self::stop::Stop;
use self::watch::{Event, Watch};
use crate::repo::Repo;
use crate::steps::Steps;
use crate::{command, guests, nats as server};

/// The tenant that has incidents.
const BUSY: &str = "acme";
/// The tenant that must see nothing of them.
const QUIET: &str = "globex";
const TENANTS: [&str; 2] = [BUSY, QUIET];
/// In the order of deployment: who is asked stands before who asks.
const AGENTS: [&str; 3] = ["knowledge-base", "incident-responder", "echo"];

const INCIDENT: &str = "incident.created";
const ANSWER: &str = "incident.escalated";
/// Sent to the quiet tenant after the incidents: an empty stream proves something only if it is known to work.
const PROBE: &str = "demo.probe";

const INCIDENTS: &str = "examples/two-tenants/incidents.jsonl";
const INCIDENTS_LEN_MIN: usize = 20;
const CONVERSATION_TIME_MAX: Duration = Duration::from_mins(1);
const PROBE_TIME_MAX: Duration = Duration::from_secs(10);
const EVENTS_LEN_MAX: usize = 1024;

/// What carries the demo's messages, and how it ends.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What carries the messages; a NATS server is installed and started for it
    #[arg(long, value_enum, default_value_t = Bus::Embedded)]
    pub(crate) bus: Bus,
    /// Stop the host after the summary, instead of keeping it up until Ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
}

/// What can carry the demo's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Bus {
    Embedded,
    Nats,
}

/// Builds, runs, shows, and fails unless the quiet tenant saw nothing.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let incidents = read_incidents(repo)?;
    let stop = Stop::on_signals()?;
    let mut steps = Steps::new(if args.bus == Bus::Nats { 7 } else { 6 });
    if args.bus == Bus::Nats {
        steps.step("have the NATS server", || server::ensure(repo))?;
    }
    steps.step("have the wasm target", guests::ensure_target)?;
    steps.step("build the host", || command::run(&mut repo.cargo(["build", "--workspace"])))?;
    steps.step("build the agents", || guests::build(repo, guests::EXAMPLES))?;
    let host = steps.step("start a host", || Host::start(repo, args.bus))?;
    let client = host.client(&repo.path("."))?;
    steps.step("create two tenants and deploy the same agents to both", || populate(&client))?;
    let what = format!("send {} incidents to {BUSY}, listen in both", incidents.len());
    let conversation =
        steps.step(&what, || converse(&client, &incidents, &stop)).inspect_err(|_| host.point_to_log())?;

    let report = Report::read(&client, conversation)?;
    println!("\n{report}");
    report.check(incidents.len()).inspect_err(|_| host.point_to_log())?;
    if args.once {
        return host.stop();
    }
    print_next_commands(&host, &client);
    host.serve_until(&stop)
}

/// One JSON document per line.
fn read_incidents(repo: &Repo) -> Result<Vec<String>> {
    let path = repo.path(INCIDENTS);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read the incidents in {}", path.display()))?;
    let incidents: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    ensure!(
        incidents.len() >= INCIDENTS_LEN_MIN,
        "{} holds {} incidents; the demo wants at least {INCIDENTS_LEN_MIN}",
        path.display(),
        incidents.len()
    );
    Ok(incidents)
}

fn populate(client: &Client) -> Result<()> {
    for tenant in TENANTS {
        client.tell(["tenant", "create", tenant])?;
        for agent in AGENTS {
            client.tell([
                "agent",
                "deploy",
                &format!("{}/{agent}/bailiwick.toml", guests::EXAMPLES),
                "--tenant",
                tenant,
            ])?;
        }
    }
    Ok(())
}

/// Listens in both tenants, sends the incidents to one, and returns when each was answered and the other's line was tested.
fn converse(client: &Client, incidents: &[String], stop: &Stop) -> Result<Conversation> {
    let (sink, events) = mpsc::sync_channel(EVENTS_LEN_MAX);
    let watches = TENANTS.map(|tenant| Watch::open(client, tenant, sink.clone()));
    let _watches = watches.into_iter().collect::<Result<Vec<_>>>()?;
    let mut conversation = Conversation::new();
    let (sender, to_send) = (client.clone(), incidents.to_vec());
    thread::spawn(move || send_all(&sender, &to_send, &sink));
    listen(&mut conversation, &events, stop, CONVERSATION_TIME_MAX, |seen| seen.count(BUSY, ANSWER) >= incidents.len())
        .with_context(|| unanswered(&conversation, incidents.len()))?;
    publish(client, QUIET, PROBE, "{}")?;
    listen(&mut conversation, &events, stop, PROBE_TIME_MAX, |seen| seen.count(QUIET, PROBE) > 0).with_context(
        || format!("{QUIET}'s own message did not reach its stream, so an empty stream proves nothing"),
    )?;
    Ok(conversation)
}

fn send_all(client: &Client, incidents: &[String], sink: &SyncSender<Event>) {
    for incident in incidents {
        if let Err(error) = publish(client, BUSY, INCIDENT, incident) {
            // Nobody listens any more once the conversation has failed for another reason.
            let _ = sink.send(Event::Failed(error));
            return;
        }
    }
}

fn unanswered(conversation: &Conversation, incidents: usize) -> String {
    let answered = conversation.count(BUSY, ANSWER);
    format!("{BUSY} answered {answered} of {incidents} incidents with {ANSWER}")
}

fn publish(client: &Client, tenant: &str, topic: &str, data: &str) -> Result<()> {
    client.tell(["topic", "pub", topic, "--tenant", tenant, "--type", topic, "--data", data])
}

/// Prints and counts messages until `done`, at most for `time_max`.
fn listen(
    conversation: &mut Conversation,
    events: &Receiver<Event>,
    stop: &Stop,
    time_max: Duration,
    done: impl Fn(&Conversation) -> bool,
) -> Result<()> {
    let deadline = Instant::now() + time_max;
    while !done(conversation) {
        stop.check()?;
        if Instant::now() > deadline {
            bail!("gave up after {} s", time_max.as_secs());
        }
        match events.recv_timeout(Stop::CHECKED_EVERY) {
            Ok(Event::Message { stream, message }) => println!("{}", conversation.take(stream, message)),
            Ok(Event::Failed(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

fn print_next_commands(host: &Host, client: &Client) {
    let bailiwick = client.binary().display();
    println!("The host stays up at {} until Ctrl-C. To try next, in another terminal:\n", host.url());
    println!("  export BAILIWICK_URL={}", host.url());
    println!("  export BAILIWICK_TOKEN=$(cat {})", host.token_path().display());
    for line in [
        "agent list --tenant acme",
        "agent show incident-responder --tenant acme",
        "agent logs incident-responder --tenant acme -f",
        "agent send echo --tenant globex --type greeting --data '{\"text\":\"hello\"}' --wait",
        "topic sub '>' --tenant globex",
    ] {
        println!("  {bailiwick} {line}");
    }
    println!();
}
