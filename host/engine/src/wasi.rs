//! The base that language runtimes import, and nothing more: no files, no sockets, no secrets, a coarse clock.

mod poll;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use host_calls::{CallId, Context, HostCall, LogLevel, LogLine, LogSource, price_of_call};
use host_model::Clock;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult, bindings};
use wasmtime_wasi::random::{WasiRandom, WasiRandomCtx};
use wasmtime_wasi::{WasiCtx, WasiView};

use crate::settings::RANDOM_BYTES_MAX;
use crate::state::{AgentState, Birth};

/// The longest line of stdout or stderr that becomes one log record, in bytes; what is longer becomes several.
const LINE_LEN_MAX: usize = 4 << 10;

/// Links the base of `interfaces.md`. Sockets are not in it.
pub(crate) fn link_base(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    link_io(linker)?;
    bindings::clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, AgentState::clocks)?;
    bindings::clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, AgentState::clocks)?;
    bindings::random::random::add_to_linker::<_, PricedRandom<'static>>(linker, priced_random)?;
    bindings::random::insecure::add_to_linker::<_, PricedRandom<'static>>(linker, priced_random)?;
    bindings::random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    bindings::filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, AgentState::filesystem)?;
    bindings::filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, AgentState::filesystem)?;
    link_cli(linker)
}

fn link_io(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    struct Io;
    impl HasData for Io {
        type Data<'a> = &'a mut ResourceTable;
    }
    let table: fn(&mut AgentState) -> &mut ResourceTable = |state| state.ctx().table;
    wasmtime_wasi_io::bindings::wasi::io::error::add_to_linker::<AgentState, Io>(linker, table)?;
    poll::link(linker)?;
    wasmtime_wasi_io::bindings::wasi::io::streams::add_to_linker::<AgentState, Io>(linker, table)
}

fn link_cli(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    use bindings::cli;
    let view = AgentState::cli;
    cli::exit::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, view)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, view)
}

/// An empty context but for the environment that `interfaces.md` promises, and stdio that ends in the agent's log.
pub(crate) fn context(birth: &Arc<Birth>, debt: &Arc<AtomicU64>) -> WasiCtx {
    let stdio = |source| GuestStdio { birth: birth.clone(), debt: debt.clone(), source };
    WasiCtx::builder()
        .envs(&environment(birth))
        .stdout(stdio(LogSource::Stdout))
        .stderr(stdio(LogSource::Stderr))
        .max_random_size(RANDOM_BYTES_MAX)
        .wall_clock(CoarseClock(birth.clock.clone()))
        .monotonic_clock(CoarseClock(birth.clock.clone()))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// The seeds' variables, without their secrets: those stay with the host, which signs and authenticates for a hosted agent.
fn environment(birth: &Birth) -> [(&'static str, String); 6] {
    let (tenant, agent) = (birth.caller.tenant(), birth.caller.agent());
    [
        ("FLOWGRID_TENANT_ID", tenant.to_string()),
        ("AGENT_ID", agent.to_string()),
        ("AGENT_NAME", birth.name.clone()),
        ("FLOWGRID_REGISTRY_URL", birth.registry_url.clone()),
        ("SERVICEBUS_QUEUE_NAME", format!("{tenant}-agents")),
        ("SERVICEBUS_DEDICATED_QUEUE", format!("{tenant}-{agent}")),
    ]
}

/// Time in whole milliseconds, so that a guest cannot time what happens beside it.
struct CoarseClock(Arc<dyn Clock>);

const TICK: Duration = Duration::from_millis(1);
const TICK_NANOS: u64 = 1_000_000;

impl HostWallClock for CoarseClock {
    fn resolution(&self) -> Duration {
        TICK
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now().as_millis())
    }
}

impl HostMonotonicClock for CoarseClock {
    fn resolution(&self) -> u64 {
        TICK_NANOS
    }

    fn now(&self) -> u64 {
        self.0.uptime_millis().saturating_mul(TICK_NANOS)
    }
}

/// Randomness at a price: 1 for each byte.
struct PricedRandom<'a> {
    random: &'a mut WasiRandomCtx,
    debt: Arc<AtomicU64>,
}

impl HasData for PricedRandom<'static> {
    type Data<'a> = PricedRandom<'a>;
}

fn priced_random(state: &mut AgentState) -> PricedRandom<'_> {
    let debt = state.debt.clone();
    PricedRandom { random: state.ctx().ctx.random(), debt }
}

impl PricedRandom<'_> {
    fn owe(&self, bytes: u64) {
        self.debt.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl bindings::random::random::Host for PricedRandom<'_> {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.owe(len);
        bindings::random::random::Host::get_random_bytes(self.random, len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.owe(8);
        bindings::random::random::Host::get_random_u64(self.random)
    }
}

impl bindings::random::insecure::Host for PricedRandom<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.owe(len);
        bindings::random::insecure::Host::get_insecure_random_bytes(self.random, len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.owe(8);
        bindings::random::insecure::Host::get_insecure_random_u64(self.random)
    }
}

/// Standard output and error: each line becomes a record in the agent's log.
struct GuestStdio {
    birth: Arc<Birth>,
    debt: Arc<AtomicU64>,
    source: LogSource,
}

impl IsTerminal for GuestStdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStdio {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 streams take this one, and they are not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(LineLog { birth: self.birth.clone(), debt: self.debt.clone(), source: self.source, line: Vec::new() })
    }
}

struct LineLog {
    birth: Arc<Birth>,
    debt: Arc<AtomicU64>,
    source: LogSource,
    line: Vec<u8>,
}

impl LineLog {
    fn write_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let line = LogLine {
            level: if self.source == LogSource::Stderr { LogLevel::Warn } else { LogLevel::Info },
            source: self.source,
            message: String::from_utf8_lossy(&self.line).into_owned(),
            fields: Vec::new(),
        };
        self.line.clear();
        let call = HostCall::Log(line);
        self.debt.fetch_add(price_of_call(&call), Ordering::Relaxed);
        let context = Context { id: CallId { run: 0, ordinal: 0 }, remaining: Duration::ZERO, cause: None };
        // A log line that is refused is counted where logs are kept; there is nobody here to tell.
        let _ = self.birth.calls.call(&self.birth.caller, context, call);
    }
}

impl OutputStream for LineLog {
    fn write(&mut self, bytes: wasmtime_wasi_io::bytes::Bytes) -> StreamResult<()> {
        for byte in bytes {
            if byte == b'\n' {
                // A byte like those of the line, which may be empty and then costs nothing else.
                self.debt.fetch_add(1, Ordering::Relaxed);
                self.write_line();
                continue;
            }
            self.line.push(byte);
            if self.line.len() >= LINE_LEN_MAX {
                self.write_line();
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_LEN_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineLog {
    async fn ready(&mut self) {}
}

impl Drop for LineLog {
    fn drop(&mut self) {
        self.write_line();
    }
}
