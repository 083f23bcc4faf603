//! What a guest hands over and is no value of its type: the guest is cut off, and the host goes on.

use host_model::{Outcome, TrapCause};
use tests_kit::guest::utf16_agent;

use super::*;

/// Writes a line: its level, its text, its fields.
const WRITE: &str = r#"(import "bailiwick:agent/log@0.1.0" "write" (func $write (param i32 i32 i32 i32 i32)))"#;
/// Sends a list of drafts.
const BATCH: &str = r#"(import "bailiwick:agent/messaging@0.1.0" "batch" (func $batch (param i32 i32 i32)))"#;

/// A sandbox with one slot: what is not given back is missed.
struct Cage(Sandbox, Agent);

impl Cage {
    fn new() -> Self {
        Self(Sandbox::new(Pool::Fast, 1), Agent::with_fuel(100_000_000))
    }

    async fn outcome(&self, component: &[u8]) -> Outcome {
        self.1.handle(&*self.0.program(component).await).await.outcome
    }

    async fn fine(&self, what: &str, component: Vec<u8>) {
        assert_eq!(self.outcome(&component).await, Outcome::Done(None), "{what}");
    }

    async fn garbage(&self, what: &str, component: Vec<u8>) {
        let outcome = self.outcome(&component).await;
        assert!(matches!(outcome, Outcome::Trapped { cause: TrapCause::Trap, .. }), "{what}: {outcome:?}");
        self.fine("the next one", agent(&format!("{MEMORY} {REALLOC}"), NO_ANSWER)).await;
    }
}

/// A guest that writes a line of these arguments, with these bytes at 64.
fn writer(arguments: [i64; 5], bytes: &str) -> (String, String) {
    let arguments = arguments.map(|argument| format!("(i32.const {argument})")).join(" ");
    let parts = format!(r#"{WRITE} {MEMORY} {REALLOC} (data (i32.const 64) "{bytes}")"#);
    (parts, format!("(call $write {arguments}) {NO_ANSWER}"))
}

#[tokio::test]
async fn a_line_that_is_no_line_is_never_read() {
    let cage = Cage::new();
    let write = |arguments, bytes| {
        let (parts, handle) = writer(arguments, bytes);
        agent(&parts, &handle)
    };
    cage.fine("a line", write([4, 64, 5, 128, 1], "words")).await;
    for (what, arguments, bytes) in [
        ("a level past the last", [5, 64, 5, 0, 0], "words"),
        ("a level far past the last", [-1, 64, 5, 0, 0], "words"),
        ("a text past the end of memory", [0, 65_530, 7, 0, 0], ""),
        ("a text at the end of all addresses", [0, -16, 100, 0, 0], ""),
        ("a text as long as all addresses", [0, 64, -1, 0, 0], ""),
        ("no UTF-8", [0, 64, 2, 0, 0], "\\ff\\fe"),
        ("UTF-8 of a surrogate", [0, 64, 3, 0, 0], "\\ed\\a0\\80"),
        ("UTF-8 cut short", [0, 64, 2, 0, 0], "\\e2\\80"),
        ("fields at an odd address", [0, 64, 5, 1_026, 1], "words"),
        ("fields past the end of memory", [0, 64, 5, 65_532, 1], "words"),
        ("more fields than there are addresses", [0, 64, 5, 128, -1], "words"),
        ("fields whose bytes wrap to none", [0, 64, 5, 128, 0x1000_0000], "words"),
        ("a field whose text is nowhere", [0, 64, 0, 64, 1], "\\ff\\ff\\ff\\7f\\01\\00\\00\\00"),
    ] {
        cage.garbage(what, write(arguments, bytes)).await;
    }
}

#[tokio::test]
async fn utf_16_that_is_none_is_never_read() {
    let cage = Cage::new();
    let write = |arguments, bytes| {
        let (parts, handle) = writer(arguments, bytes);
        utf16_agent(&parts, &handle)
    };
    cage.fine("two letters and a pair", write([0, 64, 4, 0, 0], "a\\00b\\00\\3d\\d8\\00\\de")).await;
    for (what, arguments, bytes) in [
        ("an odd address", [0, 65, 1, 0, 0], "aaa"),
        ("half a pair", [0, 64, 1, 0, 0], "\\3d\\d8"),
        ("the wrong half first", [0, 64, 2, 0, 0], "\\00\\de\\3d\\d8"),
        ("a length whose bytes wrap to none", [0, 64, i64::from(i32::MIN), 0, 0], ""),
        ("a text past the end of memory", [0, 65_534, 2, 0, 0], ""),
    ] {
        cage.garbage(what, write(arguments, bytes)).await;
    }
}

#[tokio::test]
async fn a_case_that_its_type_does_not_have_is_never_read() {
    let cage = Cage::new();
    // One item at 512: the target's case and text, and the draft 12 bytes on, whose correlation id is 24 bytes further.
    let batch = |bytes: &str| {
        let parts = format!("{BATCH} {MEMORY} {REALLOC} {bytes}");
        agent(&parts, &format!("(call $batch (i32.const 512) (i32.const 1) (i32.const 128)) {NO_ANSWER}"))
    };
    cage.fine("an item that is refused", batch("")).await;
    cage.garbage("a target of no case", batch(r#"(data (i32.const 512) "\02")"#)).await;
    cage.garbage("a target far past its cases", batch(r#"(data (i32.const 512) "\ff")"#)).await;
    cage.garbage("an id that is neither there nor not", batch(r#"(data (i32.const 548) "\02")"#)).await;
}

#[tokio::test]
async fn an_answer_that_is_none_is_never_read() {
    let cage = Cage::new();
    let answer = |address: i32, bytes: &str| {
        agent(&format!(r#"{MEMORY} {REALLOC} (data (i32.const 512) "{bytes}")"#), &format!("(i32.const {address})"))
    };
    cage.fine("none", answer(512, "\\00\\00\\00\\00\\00")).await;
    for (what, address, bytes) in [
        ("an odd address", 514, ""),
        ("the end of memory", 65_532, ""),
        ("the end of all addresses", -4, ""),
        ("neither done nor failed", 512, "\\02"),
        ("a draft that is neither there nor not", 512, "\\00\\00\\00\\00\\02"),
        ("a draft whose type is nowhere", 512, "\\00\\00\\00\\00\\01\\00\\00\\00\\ff\\ff\\ff\\7f\\10"),
        ("a failure of no case", 512, "\\01\\00\\00\\00\\02"),
    ] {
        cage.garbage(what, answer(address, bytes)).await;
    }
}

#[tokio::test]
async fn an_allocator_that_gives_no_place_gets_no_message() {
    let cage = Cage::new();
    for (what, place) in [
        ("past the end of memory", "(i32.const 65536)"),
        ("at its very end", "(i32.const 65528)"),
        ("at the end of all addresses", "(i32.const -8)"),
        ("at an odd address", "(i32.const 1025)"),
        ("over what it gave before, and past the end", "(i32.sub (i32.const 65540) (local.get 3))"),
    ] {
        let realloc = format!(r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {place})"#);
        cage.garbage(what, agent(&format!("{MEMORY} {realloc}"), NO_ANSWER)).await;
    }
}
