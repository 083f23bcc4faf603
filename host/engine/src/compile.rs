//! Compiling in another process: a component that makes the compiler run away takes down a child with limits, not the host.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::EngineError;
use crate::settings::code_config;
use host_calls::inert;

/// The largest component that is compiled, in bytes.
const COMPONENT_BYTES_MAX: u64 = 16 << 20;
/// The largest result that is taken, in bytes.
const CODE_BYTES_MAX: u64 = 256 << 20;
/// The longest error that is passed on, in bytes.
const ERROR_LEN_MAX: usize = 1024;

/// How compiling is done: which program is the child, and what it may use.
#[derive(Debug, Clone)]
pub struct CompilerSettings {
    /// The program to run; its `main` must call [`compile_stdin`].
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// CPU time of one compilation. Wall time is bounded by four times that.
    pub cpu_max: Duration,
    /// Address space of the child, in bytes.
    pub memory_bytes_max: u64,
}

impl CompilerSettings {
    /// This very program as the child, with the default limits.
    pub fn this_program(args: &[&str]) -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            cpu_max: Duration::from_mins(1),
            memory_bytes_max: 2 << 30,
        })
    }
}

/// Compiles, one component at a time.
pub(crate) struct Compiler {
    settings: CompilerSettings,
    turn: Semaphore,
}

impl Compiler {
    pub(crate) fn new(settings: CompilerSettings) -> Self {
        Self { settings, turn: Semaphore::new(1) }
    }

    /// The compiled component. Waits for its turn, then at most four times the CPU limit.
    pub(crate) async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, EngineError> {
        let _turn = self.turn.acquire().await.expect("never closed");
        let wall_max = self.settings.cpu_max * 4;
        let outcome = tokio::time::timeout(wall_max, self.run_child(component)).await;
        outcome.map_err(|_| EngineError::CompileLimit("wall time"))?
    }

    async fn run_child(&self, component: &[u8]) -> Result<Vec<u8>, EngineError> {
        let mut child = Command::new(&self.settings.program)
            .args(&self.settings.args)
            .env_clear()
            .env(LIMITS_ENV, format!("{} {}", self.settings.cpu_max.as_secs().max(1), self.settings.memory_bytes_max))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(EngineError::Compiler)?;
        let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(pipe) = &mut stdin {
                // A child that died has closed the pipe; its exit status says more than this error.
                let _ = pipe.write_all(component).await;
            }
            drop(stdin);
        };
        let ((), code, complaint) =
            tokio::join!(feed, read_bounded(stdout, CODE_BYTES_MAX), read_bounded(stderr, 64 << 10));
        let status = child.wait().await.map_err(EngineError::Compiler)?;
        if status.success() {
            return code.map_err(EngineError::Compiler);
        }
        Err(failure(status, &complaint.unwrap_or_default()))
    }
}

async fn read_bounded(pipe: Option<impl tokio::io::AsyncRead + Unpin>, len_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(len_max).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn failure(status: std::process::ExitStatus, complaint: &[u8]) -> EngineError {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGXCPU: i32 = 24;
    const SIGKILL: i32 = 9;
    match status.signal() {
        Some(SIGXCPU | SIGKILL) => EngineError::CompileLimit("CPU time"),
        // Running out of memory aborts in Rust.
        Some(_) => EngineError::CompileLimit("memory"),
        None => EngineError::Compile(inert(String::from_utf8_lossy(complaint).trim(), ERROR_LEN_MAX)),
    }
}

/// How the parent tells the child its limits: CPU seconds and bytes.
const LIMITS_ENV: &str = "BAILIWICK_COMPILE_LIMITS";

/// The child's whole work: takes its limits, compiles the component on stdin, writes the result to stdout.
///
/// Runs before anything else in the process: no runtime, no threads, no configuration.
pub fn compile_stdin() -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "the parent's word to its child, not configuration")]
    let limits = std::env::var(LIMITS_ENV).map_err(|_| "run by the host only".to_owned())?;
    let (cpu, memory) = limits.split_once(' ').ok_or("bad limits")?;
    // Tenants' messages come first: a compiler takes what they leave.
    nice(19).map_err(|error| error.to_string())?;
    take_limit(Resource::Cpu, cpu)?;
    take_limit(Resource::As, memory)?;
    take_limit(Resource::Core, "0")?;
    let mut component = Vec::new();
    io::stdin().take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut component).map_err(|error| error.to_string())?;
    if component.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(format!("the component is larger than {COMPONENT_BYTES_MAX} bytes"));
    }
    let engine = wasmtime::Engine::new(&code_config()).map_err(|error| error.to_string())?;
    let code = engine.precompile_component(&component).map_err(|error| format!("{error:#}"))?;
    io::stdout().write_all(&code).map_err(|error| error.to_string())
}

fn take_limit(resource: Resource, value: &str) -> Result<(), String> {
    let value = value.parse().map_err(|_| "bad limits")?;
    setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) }).map_err(|error| error.to_string())
}
