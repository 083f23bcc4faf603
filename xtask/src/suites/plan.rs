//! The suites in their order: cheap ones first, and nothing before what it needs is built.

use std::process::Command;

use anyhow::Result;

use crate::repo::{Profile, Repo};
use crate::{command, demo, guests, load, nats, torture, valgrind};

/// One line of the final table.
pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) work: Work,
}

/// What a suite does.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// Commands that pass or fail as a whole.
    Checks(fn(&Repo) -> Vec<Command>),
    /// Commands whose output counts tests.
    Tests(fn(&Repo) -> Vec<Command>),
    /// Anything that needs what earlier suites built.
    Action(fn(&Repo) -> Result<()>),
}

/// Every command over the root takes the whole workspace, so that cargo resolves one set of features and wasmtime compiles once.
pub(super) const SUITES: &[Suite] = &[
    Suite { name: "fmt", what: "every workspace is formatted", work: Work::Checks(fmt) },
    Suite { name: "guests", what: "every component compiles", work: Work::Action(build_guests) },
    Suite { name: "clippy", what: "no warning in any workspace", work: Work::Checks(clippy) },
    Suite { name: "build", what: "the host compiles", work: Work::Checks(build) },
    Suite {
        name: "nats",
        what: "the NATS server that tests and benches start is here",
        work: Work::Action(nats::ensure),
    },
    Suite { name: "tests", what: "unit, integration and tidy tests", work: Work::Tests(tests) },
    Suite { name: "doc-tests", what: "examples in docs, and what must not compile", work: Work::Tests(doc_tests) },
    Suite { name: "envelope", what: "an outsider reads the envelope's vectors", work: Work::Checks(envelope) },
    Suite { name: "guest-tests", what: "the SDK and the agents, natively", work: Work::Tests(guest_tests) },
    Suite { name: "bench-smoke", what: "the benches run", work: Work::Action(bench_smoke) },
    Suite { name: "instructions", what: "a message costs no more of them", work: Work::Action(instructions) },
    Suite { name: "load", what: "a hundred agents, and nothing crosses", work: Work::Action(load::short) },
    Suite { name: "torture", what: "killed, and nothing acknowledged is lost", work: Work::Action(torture::short) },
    Suite {
        name: "torture-nats",
        what: "hosts and servers killed, and nothing acknowledged is lost",
        work: Work::Action(torture::short_on_nats),
    },
    Suite { name: "demo", what: "two tenants, and nothing crosses", work: Work::Action(demo) },
    Suite { name: "demo-nats", what: "the same over a NATS server", work: Work::Action(demo_on_nats) },
];

/// For `--only`.
pub(super) fn names() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

/// All tests but doc tests: by nextest where it is installed, else by cargo. A test that fails is run once more, for on a machine that
/// others use it may have waited for a processor; that it failed is said at the end.
pub(crate) fn test_command(repo: &Repo) -> Command {
    if command::works(&mut repo.cargo(["nextest", "--version"])) {
        repo.cargo(["nextest", "run", "--workspace", "--no-fail-fast", "--retries", "1"])
    } else {
        repo.cargo(["test", "--workspace", "--all-targets", "--no-fail-fast"])
    }
}

fn fmt(repo: &Repo) -> Vec<Command> {
    let check = ["fmt", "--all", "--check"];
    let mut commands = vec![repo.cargo(check)];
    commands.extend(guests::WORKSPACES.map(|workspace| guests::cargo(repo, workspace, check)));
    commands
}

fn build_guests(repo: &Repo) -> Result<()> {
    guests::ensure_target()?;
    guests::build(repo, guests::EXAMPLES)?;
    guests::build(repo, guests::TEST_GUESTS)
}

fn clippy(repo: &Repo) -> Vec<Command> {
    let mut commands = vec![repo.cargo(["clippy", "--workspace", "--all-targets"])];
    let native = ["clippy", "--workspace", "--all-targets", "--target-dir", "target"];
    commands.extend(NATIVE_GUESTS.map(|workspace| guests::cargo(repo, workspace, native)));
    for command in &mut commands {
        command.args(["--", "-D", "warnings"]);
    }
    commands
}

fn build(repo: &Repo) -> Vec<Command> {
    vec![repo.cargo(["build", "--workspace"])]
}

fn tests(repo: &Repo) -> Vec<Command> {
    vec![test_command(repo)]
}

fn doc_tests(repo: &Repo) -> Vec<Command> {
    vec![repo.cargo(["test", "--doc", "--workspace", "--no-fail-fast"])]
}

fn envelope(repo: &Repo) -> Vec<Command> {
    let mut verify = Command::new("python3");
    verify.current_dir(repo.path(".")).args(["tests/envelope_verify.py", "docs/envelope-vectors.json"]);
    vec![verify]
}

fn guest_tests(repo: &Repo) -> Vec<Command> {
    let test = ["test", "--workspace", "--no-fail-fast", "--target-dir", "target"];
    NATIVE_GUESTS.map(|workspace| guests::cargo(repo, workspace, test)).into()
}

fn bench_smoke(repo: &Repo) -> Result<()> {
    nats::ensure(repo)?;
    let mut bench = Command::new(repo.binary(Profile::Dev, "tests-bench")?);
    command::run(bench.current_dir(repo.path(".")).arg("--smoke"))
}

fn instructions(repo: &Repo) -> Result<()> {
    valgrind::ensure()?;
    let mut bench = Command::new(repo.binary(Profile::Dev, "tests-bench")?);
    command::run(bench.current_dir(repo.path(".")).arg("--instructions"))
}

fn demo(repo: &Repo) -> Result<()> {
    demo::run(repo, &demo::Args { bus: demo::Bus::Embedded, once: true })
}

fn demo_on_nats(repo: &Repo) -> Result<()> {
    demo::run(repo, &demo::Args { bus: demo::Bus::Nats, once: true })
}

/// The workspaces that also compile for this machine: the SDK brings a double of the host.
const NATIVE_GUESTS: [&str; 2] = [guests::SDK, guests::EXAMPLES];
