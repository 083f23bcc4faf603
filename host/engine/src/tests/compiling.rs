//! The compiling child has limits, and what was not granted is not linked.

use tests_kit::guest::compile_bomb;

use super::*;
use crate::EngineError;

fn engine(dir: &TempDir, compiler: CompilerSettings) -> Engine {
    Engine::new(EngineSettings { instances_max: 4, ..EngineSettings::default() }, compiler, dir.path(), &KEY).unwrap()
}

async fn compile(compiler: CompilerSettings, bytes: &[u8]) -> Result<(), EngineError> {
    let dir = TempDir::new().unwrap();
    engine(&dir, compiler).program(Digest::of(bytes), bytes, &[]).await.map(drop)
}

#[tokio::test]
async fn a_component_that_keeps_the_compiler_busy_too_long_is_given_up() {
    let short = CompilerSettings { cpu_max: Duration::from_secs(1), ..compiler() };
    let refused = compile(short, &compile_bomb()).await;
    assert!(matches!(refused, Err(EngineError::CompileLimit("CPU time" | "wall time"))), "{refused:?}");
}

#[tokio::test]
async fn a_component_that_needs_too_much_memory_to_compile_is_given_up() {
    let narrow = CompilerSettings { memory_bytes_max: 64 << 20, ..compiler() };
    let refused = compile(narrow, &compile_bomb()).await;
    assert!(matches!(refused, Err(EngineError::CompileLimit("memory"))), "{refused:?}");
}

/// A compiler that does something else at its first use, and compiles from then on.
fn faulty(dir: &TempDir, fault: &str) -> CompilerSettings {
    let (real, script, used) = (compiler(), dir.path().join("compiler"), dir.path().join("used"));
    let text = format!(
        "#!/bin/sh\nif ! test -e {used}; then : > {used}; {fault}; fi\nexec {real} \"$@\"\n",
        used = used.display(),
        real = real.program.display(),
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    CompilerSettings { program: script, ..real }
}

#[tokio::test]
async fn a_compiler_that_dies_or_hangs_fails_one_component_and_compiles_the_next() {
    let check = async |fault: &str, limit: &str| {
        let dir = TempDir::new().unwrap();
        let compiler = CompilerSettings { cpu_max: Duration::from_secs(2), ..faulty(&dir, fault) };
        let engine = engine(&dir, compiler);
        let bytes = agent(&format!("{MEMORY} {REALLOC}"), NO_ANSWER);
        let program = async || engine.program(Digest::of(&bytes), &bytes, &[]).await.map(drop);
        let failed = program().await;
        assert!(matches!(failed, Err(EngineError::CompileLimit(of)) if of == limit), "{fault}: {failed:?}");
        assert!(program().await.is_ok(), "the next one after {fault}");
    };
    check("kill -KILL $$", "CPU time").await;
    check("kill -ABRT $$", "memory").await;
    check("exec sleep 1000", "wall time").await;
}

#[tokio::test]
async fn a_component_of_more_parts_than_a_slot_has_room_for_is_refused_and_is_no_fault_of_the_hosts() {
    let instances = |count: usize| "(core instance (instantiate $m))".repeat(count);
    let check = async |what: &str, parts: &str| {
        let bytes = wat::parse_str(format!("(component {parts})")).unwrap();
        assert!(host_component::Component::read(&bytes).is_ok(), "{what} is a component");
        let refused = compile(compiler(), &bytes).await.unwrap_err();
        assert!(!refused.is_host_fault(), "{what}: {refused:?}");
    };
    let module = "(core module $m (memory 1))";
    let many = wat::parse_str(format!("(component {module} {})", instances(10_000))).unwrap();
    assert!(host_component::Component::read(&many).is_err(), "ten thousand instances are no component");
    check("900 instances", &format!("{module} {}", instances(900))).await;
    check("33 instances", &format!("(core module $m) {}", instances(33))).await;
    check("5 memories", &format!("{module} {}", instances(5))).await;
    check("5 tables", &format!("(core module $m (table 1 funcref)) {}", instances(5))).await;
    check("5 tables in one", &format!("(core module $m {}) {}", "(table 1 funcref)".repeat(5), instances(1))).await;
    check("a large memory", &format!("(core module $m (memory 1025)) {}", instances(1))).await;
    check("a large table", &format!("(core module $m (table 20001 funcref)) {}", instances(1))).await;
}

#[tokio::test]
async fn what_is_no_component_does_not_compile_and_says_why_in_inert_words() {
    let refused = compile(compiler(), b"\0asm\x0d\0\x01\0 \x1b[31m").await;
    let Err(EngineError::Compile(words)) = refused else { panic!("{refused:?}") };
    assert!(!words.is_empty() && words.len() <= 1100 && !words.contains(char::is_control), "{words:?}");
}

#[tokio::test]
async fn an_import_that_was_not_granted_is_not_linked_and_is_named() {
    let check = async |bytes: &[u8], granted: &[Capability], missing: &str| {
        let sandbox = Sandbox::new(Pool::Fast, 4);
        let refused = sandbox.engine.program(Digest::of(bytes), bytes, granted).await.map(drop);
        let Err(EngineError::Link(words)) = refused else { panic!("{missing}: {refused:?}") };
        assert!(words.contains(missing), "{missing}: {words}");
    };
    let zoo = guest("tests/guests/target/wasm32-wasip2/release/zoo.wasm");
    check(&zoo, &[Capability::Discovery], "bailiwick:agent/messaging@0.1.0").await;
    check(&zoo, &[Capability::Messaging], "bailiwick:discovery/registry@0.1.0").await;
    let greedy = guest("tests/guests/target/wasm32-wasip2/release/greedy_import.wasm");
    check(&greedy, &Capability::ALL, "wasi:sockets").await;
}

#[tokio::test]
async fn a_component_without_an_inbox_is_no_agent() {
    let bytes = wat::parse_str("(component)").unwrap();
    let refused = compile(compiler(), &bytes).await;
    assert!(matches!(refused, Err(EngineError::NoInbox)), "{refused:?}");
}
