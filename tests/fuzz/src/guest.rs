//! Components that break the canonical ABI at every import and at their own export, on the real engine.
//!
//! One component for each string encoding is compiled once; each message is a script of what it passes to which import, how its
//! allocator behaves and what it returns. So a case costs no compilation, and the whole of `wit/` is reached.

mod answers;
mod component;
mod script;

use std::sync::Arc;
use std::time::Duration;

use host_component::{Capability, Digest};
use host_engine::{Birth, CompilerSettings, Engine, EngineSettings, Program};
use host_model::{Envelope, Limits, Outcome, TrapCause};
use host_quota::Budget;
use tempfile::TempDir;
use tests_kit::chance::Chance;
use tests_kit::gate::{FixedClock, born};
use tokio::runtime::Runtime;
use wit_component::StringEncoding;

use self::answers::Answers;
use self::component::{Allocator, MEMORY_LEN, Op, World};
use crate::codec;
use crate::target::{Fault, Verdict};

/// What a script may use: enough for each of its steps, and little enough that a loop ends soon.
const FUEL: u64 = 3_000_000;
/// Far more than that fuel takes: whoever comes to it has made the host work for nothing.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest that is said of a trap, in bytes.
const DETAIL_LEN_MAX: usize = 600;

const ENCODINGS: [StringEncoding; 3] = [StringEncoding::UTF8, StringEncoding::UTF16, StringEncoding::CompactUTF16];
/// Modes and addresses: nothing, an odd address, the last byte, the end, no memory at all; a trap, a call back, growth, a loop.
const ALLOCATORS: [(u32, u32); 9] =
    [(1, 0), (1, 1), (1, MEMORY_LEN - 1), (1, MEMORY_LEN), (1, u32::MAX), (2, 0), (3, 0), (4, 0), (5, 0)];

/// The component's answer is whatever it is; the host lives, gets everything back, and serves a good message next.
pub(crate) fn ends_one_message_and_no_more(chance: &mut Chance) -> Result<Verdict, Fault> {
    thread_local!(static BENCH: Bench = Bench::new());
    BENCH.with(|bench| {
        let programs = if chance.one_in(4) { &bench.hostile } else { &bench.programs };
        let (program, script) = (chance.pick(programs), script::hostile(chance, &bench.ops));
        let hostile = bench.run(program, chance, script)?;
        let program = chance.pick(&bench.programs);
        let good = bench.run(program, chance, script::good())?;
        if !matches!(good, Outcome::Done(None)) {
            return Err(Fault::Broken(format!("a good guest ended as {good:?} after {hostile:?}")));
        }
        Ok(if matches!(hostile, Outcome::Done(_)) { Verdict::Took } else { Verdict::Refused })
    })
}

/// An engine with the components, on one thread.
struct Bench {
    programs: Vec<Arc<Program>>,
    /// The same with allocators that are wrong before the first message is in.
    hostile: Vec<Arc<Program>>,
    ops: Vec<Op>,
    runtime: Runtime,
    _engine: Engine,
    _artifacts: TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let artifacts = TempDir::new().expect("a folder");
        let settings = EngineSettings { instances_max: 2, ..EngineSettings::default() };
        let engine = Engine::new(settings, compiler(), artifacts.path(), &[7; 32]).expect("an engine");
        let world = World::new();
        let compiled = |encoding, at_birth| {
            let bytes = world.component(encoding, at_birth);
            let program = engine.program(Digest::of(&bytes), &bytes, &Capability::ALL);
            runtime.block_on(program).expect("the component is a good one until it is called")
        };
        let programs = ENCODINGS.iter().map(|encoding| compiled(*encoding, None)).collect();
        let allocators = ALLOCATORS.map(|(mode, address)| Allocator { mode, address });
        let hostile = allocators.iter().zip(ENCODINGS.iter().cycle());
        let hostile = hostile.map(|(allocator, encoding)| compiled(*encoding, Some(*allocator))).collect();
        Self { programs, hostile, ops: world.into_ops(), runtime, _engine: engine, _artifacts: artifacts }
    }

    fn run(&self, program: &Program, chance: &mut Chance, script: Vec<u8>) -> Result<Outcome, Fault> {
        let (memory, instances) = (Budget::new(1 << 30), Budget::new(1));
        let birth = Arc::new(Birth {
            caller: born("acme", "guest"),
            name: "Guest".into(),
            calls: Arc::new(Answers::new(chance)),
            limits: Limits { fuel_per_message: FUEL, deadline: DEADLINE, ..Limits::default() },
            tenant_memory: memory.clone(),
            tenant_instances: instances.clone(),
            settings: [("name".to_owned(), "value".to_owned())].into(),
            leads: None,
            registry_url: String::new(),
            clock: Arc::new(FixedClock::new()),
        });
        let message = Envelope { payload: script, ..codec::envelope() };
        let handled = self.runtime.block_on(program.handle_fresh(&birth, &message));
        let (memory, instances) = (memory.used(), instances.used());
        need((memory, instances) == (0, 0), || {
            format!("{memory} bytes and {instances} instances were not given back")
        })?;
        need(handled.fuel_used <= FUEL, || format!("{} of {FUEL} fuel was used", handled.fuel_used))?;
        if let Outcome::Trapped { cause, detail } = &handled.outcome {
            let own = !matches!(cause, TrapCause::Host | TrapCause::Timeout);
            need(own, || format!("the host was at fault, or slow: {}: {detail}", cause.as_str()))?;
            let shown = detail.len() <= DETAIL_LEN_MAX && !detail.chars().any(char::is_control);
            need(shown, || format!("a terminal cannot show {detail:?}"))?;
        }
        Ok(handled.outcome)
    }
}

/// The compiling child: the host's own binary, which lies beside this one or beside the folder of this test.
fn compiler() -> CompilerSettings {
    let this = std::env::current_exe().expect("the path of this program");
    let program =
        this.ancestors().skip(1).take(2).map(|folder| folder.join("bailiwick")).find(|program| program.exists());
    let program = program.expect("there is no bailiwick beside this: run `cargo build --workspace` first");
    let limits = CompilerSettings::this_program(&["compile-component"]).expect("the path of this program");
    CompilerSettings { program, ..limits }
}

fn need(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::Broken(otherwise())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often values that may be right are drawn until they are.
    const TRIES: usize = 5_000;

    #[test]
    fn every_import_of_the_contract_is_reached_in_every_encoding() {
        let (bench, mut chance) = (Bench::new(), Chance::new(1));
        // The methods of a bucket need one.
        let open = bench.ops.iter().position(|op| op.name == "open").unwrap();
        for number in 0..bench.ops.len() {
            for program in &bench.programs {
                let reached = (0..TRIES).any(|_| {
                    let script = script::mild(&mut chance, &bench.ops, &[open, number]);
                    matches!(bench.run(program, &mut chance, script), Ok(Outcome::Done(None)))
                });
                assert!(reached, "{} is never reached", bench.ops[number].name);
            }
        }
        assert!(bench.ops.len() > 35, "{} imports", bench.ops.len());
    }
}
