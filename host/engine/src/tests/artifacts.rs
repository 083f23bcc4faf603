//! Compiled code is loaded only if this host wrote it for this component; whatever else lies there is compiled again.

use std::fs;

use host_component::ComponentError;

use super::*;
use crate::EngineError;

/// An agent that answers nothing; `number` makes it another component.
fn plain(number: u32) -> Vec<u8> {
    agent(&format!("(memory (export \"memory\") 1) (global i32 (i32.const {number})) {REALLOC}"), NO_ANSWER)
}

/// The one file of this kind in a folder that belongs to this component.
fn file(dir: &Path, component: &[u8], extension: &str) -> PathBuf {
    let digest = Digest::of(component).to_hex();
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(&digest) && name.ends_with(extension)
    };
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).find(ours).unwrap()
}

/// A host over the same folder whose compiler is not there: it can only load.
async fn load_only(dir: &Path, key: &[u8; 32], component: &[u8]) -> Result<(), EngineError> {
    let nowhere = CompilerSettings { program: dir.join("no such program"), ..compiler() };
    let engine = Engine::new(EngineSettings { instances_max: 4, ..EngineSettings::default() }, nowhere, dir, key)?;
    engine.program(Digest::of(component), component, &Capability::ALL).await.map(drop)
}

/// Compiles two components, damages the files of the first, and sees that it is not loaded, but compiled again and then loaded.
async fn check(what: &str, damage: impl FnOnce(&Path, &[u8], &[u8])) {
    let (one, other) = (plain(1), plain(2));
    let sandbox = Sandbox::new(Pool::Fast, 4);
    let dir = sandbox.dir.path();
    drop((sandbox.program(&one).await, sandbox.program(&other).await));
    load_only(dir, &KEY, &one).await.expect("what was compiled is loaded");
    damage(dir, &one, &other);
    let refused = load_only(dir, &KEY, &one).await;
    assert!(matches!(refused, Err(EngineError::Compiler(_))), "{what}: {refused:?}");
    load_only(dir, &KEY, &other).await.expect("the other one is as it was");
    let healed = sandbox.program(&one).await;
    let handled = Agent::with_fuel(1_000_000).handle(&healed).await;
    assert_eq!(handled.outcome, host_model::Outcome::Done(None), "{what}: compiled again, it runs");
    load_only(dir, &KEY, &one).await.expect("what was compiled again is loaded");
}

fn flip_middle(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn code_with_one_bit_flipped_is_compiled_again() {
    check("code", |dir, one, _| flip_middle(&file(dir, one, "cwasm"))).await;
}

#[tokio::test]
async fn code_with_a_damaged_mac_is_compiled_again() {
    check("mac", |dir, one, _| flip_middle(&file(dir, one, "mac"))).await;
}

#[tokio::test]
async fn code_that_is_cut_short_or_empty_is_compiled_again() {
    for len in [0, 1, 1000] {
        let cut = |dir: &Path, one: &[u8], _: &[u8]| {
            let file = fs::OpenOptions::new().write(true).open(file(dir, one, "cwasm")).unwrap();
            file.set_len(len).unwrap();
        };
        check("cut", cut).await;
    }
}

#[tokio::test]
async fn code_without_a_mac_is_compiled_again() {
    check("no mac", |dir, one, _| fs::remove_file(file(dir, one, "mac")).unwrap()).await;
}

#[tokio::test]
async fn code_of_another_component_with_its_own_mac_is_compiled_again() {
    check("other's files", |dir, one, other| {
        for extension in ["cwasm", "mac"] {
            fs::copy(file(dir, other, extension), file(dir, one, extension)).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn code_under_another_hosts_key_is_not_loaded() {
    let one = plain(1);
    let sandbox = Sandbox::new(Pool::Fast, 4);
    sandbox.program(&one).await;
    let refused = load_only(sandbox.dir.path(), &[8; 32], &one).await;
    assert!(matches!(refused, Err(EngineError::Compiler(_))), "{refused:?}");
    load_only(sandbox.dir.path(), &KEY, &one).await.expect("under its own key it is");
}

#[tokio::test]
async fn compiled_code_is_refused_as_an_upload() {
    let one = plain(1);
    let sandbox = Sandbox::new(Pool::Fast, 4);
    sandbox.program(&one).await;
    let code = fs::read(file(sandbox.dir.path(), &one, "cwasm")).unwrap();
    assert!(matches!(host_component::Component::read(&code), Err(ComponentError::Elf)));
    let forced = sandbox.engine.program(Digest::of(&code), &code, &Capability::ALL).await.map(drop);
    assert!(
        matches!(forced, Err(EngineError::Compile(_))),
        "past the first check it is compiled, not mapped: {forced:?}"
    );
}

#[tokio::test]
async fn agents_with_one_component_share_its_program_for_the_same_grants() {
    let (one, sandbox) = (plain(1), Sandbox::new(Pool::Fast, 4));
    let (first, again) = (sandbox.program(&one).await, sandbox.program(&one).await);
    assert!(Arc::ptr_eq(&first, &again));
    let narrower = sandbox.engine.program(Digest::of(&one), &one, &[]).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &narrower), "another linker, another program");
}
