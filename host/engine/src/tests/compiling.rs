//! The compiling child has limits, and what was not granted is not linked.

use std::fmt::Write as _;

use super::*;
use crate::EngineError;

fn engine(dir: &TempDir, compiler: CompilerSettings) -> Engine {
    Engine::new(EngineSettings { instances_max: 4, ..EngineSettings::default() }, compiler, dir.path(), &KEY).unwrap()
}

async fn compile(compiler: CompilerSettings, bytes: &[u8]) -> Result<(), EngineError> {
    let dir = TempDir::new().unwrap();
    engine(&dir, compiler).program(Digest::of(bytes), bytes, &[]).await.map(drop)
}

/// Takes the compiler many seconds: functions of many blocks and many live values.
fn bomb() -> Vec<u8> {
    let mut functions = String::new();
    for number in 0..60 {
        let step =
            "(local.set 0 (i64.add (local.get 1) (i64.mul (local.get 0) (i64.load (i32.wrap_i64 (local.get 2))))))
            (if (i64.eqz (local.get 0)) (then (local.set 1 (i64.rotl (local.get 2) (local.get 0))))
            (else (local.set 2 (i64.xor (local.get 1) (local.get 0)))))";
        write!(functions, "(func $f{number} (param i64 i64 i64) (result i64) {} (local.get 0))", step.repeat(1_500))
            .unwrap();
    }
    agent(&format!("(memory (export \"memory\") 1) {REALLOC} {functions}"), NO_ANSWER)
}

#[tokio::test]
async fn a_component_that_keeps_the_compiler_busy_too_long_is_given_up() {
    let short = CompilerSettings { cpu_max: Duration::from_secs(1), ..compiler() };
    let refused = compile(short, &bomb()).await;
    assert!(matches!(refused, Err(EngineError::CompileLimit("CPU time" | "wall time"))), "{refused:?}");
}

#[tokio::test]
async fn a_component_that_needs_too_much_memory_to_compile_is_given_up() {
    let narrow = CompilerSettings { memory_bytes_max: 64 << 20, ..compiler() };
    let refused = compile(narrow, &bomb()).await;
    assert!(matches!(refused, Err(EngineError::CompileLimit("memory"))), "{refused:?}");
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
