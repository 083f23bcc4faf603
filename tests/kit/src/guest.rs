//! Guests in the text format: a core module, wrapped with the WIT of `wit/` as a guest's toolchain does it.

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::paths;

/// An `Ok(none)` of `handle`: all its bytes are zero, and so is fresh memory here.
pub const NO_ANSWER: &str = "(i32.const 16)";

/// One page, which is what most guests need.
pub const MEMORY: &str = r#"(memory (export "memory") 1)"#;

/// Where lists and strings of the host are put: always to the same place, so that the rest of memory stays fresh.
pub const REALLOC: &str = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))"#;

/// Never ends, and calls nobody.
pub const SPIN: &str = "(loop $for_ever (br $for_ever))";

/// What of WASI a guest in the text format may import. Only the functions that are used stay in its component.
const WASI: &str = "
    package wasi:io@0.2.6 {
        interface error { resource error; }
        interface poll {
            resource pollable { block: func(); ready: func() -> bool; }
            poll: func(in: list<borrow<pollable>>) -> list<u32>;
        }
        interface streams {
            use error.{error};
            use poll.{pollable};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream {
                check-write: func() -> result<u64, stream-error>;
                write: func(contents: list<u8>) -> result<_, stream-error>;
                write-zeroes: func(len: u64) -> result<_, stream-error>;
                subscribe: func() -> pollable;
            }
        }
    }
    package wasi:clocks@0.2.6 {
        interface monotonic-clock {
            use wasi:io/poll@0.2.6.{pollable};
            now: func() -> u64;
            subscribe-duration: func(when: u64) -> pollable;
        }
    }
    package wasi:cli@0.2.6 {
        interface stdout {
            use wasi:io/streams@0.2.6.{output-stream};
            get-stdout: func() -> output-stream;
        }
    }
    package wasi:random@0.2.6 {
        interface random { get-random-bytes: func(len: u64) -> list<u8>; }
    }
    package wasi:http@0.2.6 {
        interface types { resource fields { constructor(); } }
    }
    package wasi:keyvalue@0.2.0-draft {
        interface store {
            variant error { no-such-store, access-denied, other(string) }
            resource bucket;
            open: func(identifier: string) -> result<bucket, error>;
        }
    }
";

/// The world of a guest in the text format: an agent that may use the host's own interfaces, and the part of WASI above.
const WORLD: &str = "
    package zoo:zoo;
    world fresh {
        include bailiwick:agent/agent@0.1.0;
        import wasi:io/poll@0.2.6;
        import wasi:io/streams@0.2.6;
        import wasi:clocks/monotonic-clock@0.2.6;
        import wasi:cli/stdout@0.2.6;
        import wasi:random/random@0.2.6;
        import wasi:http/types@0.2.6;
        import wasi:keyvalue/store@0.2.0-draft;
    }
    world lasting {
        include fresh;
        export bailiwick:agent/lifecycle@0.1.0;
    }
";

/// A component of an agent: `parts` of a core module around `handle`, whose parameter is the message's address.
pub fn agent(parts: &str, handle: &str) -> Vec<u8> {
    component(&agent_module(parts, handle))
}

/// A component of a core module that has all exports of the world `agent`.
pub fn component(module: &str) -> Vec<u8> {
    component_of("fresh", module, StringEncoding::UTF8)
}

/// An agent that takes the compiler many seconds: functions of many blocks and many live values.
pub fn compile_bomb() -> Vec<u8> {
    let step = "(local.set 0 (i64.add (local.get 1) (i64.mul (local.get 0) (i64.load (i32.wrap_i64 (local.get 2))))))
        (if (i64.eqz (local.get 0)) (then (local.set 1 (i64.rotl (local.get 2) (local.get 0))))
        (else (local.set 2 (i64.xor (local.get 1) (local.get 0)))))"
        .repeat(1_500);
    let function = |number| format!("(func $f{number} (param i64 i64 i64) (result i64) {step} (local.get 0))");
    let functions: Vec<_> = (0..60).map(function).collect();
    agent(&format!("{MEMORY} {REALLOC} {}", functions.concat()), NO_ANSWER)
}

/// As [`agent`], whose texts are UTF-16 in its memory.
pub fn utf16_agent(parts: &str, handle: &str) -> Vec<u8> {
    component_of("fresh", &agent_module(parts, handle), StringEncoding::UTF16)
}

/// A component of an agent that is told of its start and its stop: `start` is the body of the one, and messages and the rest are
/// done with nothing.
pub fn lasting_agent(parts: &str, start: &str) -> Vec<u8> {
    let module = format!(
        r#"(module {parts}
        (func (export "bailiwick:agent/inbox@0.1.0#handle") (param i32) (result i32) {NO_ANSWER})
        (func (export "bailiwick:agent/lifecycle@0.1.0#start") (result i32) {start})
        (func (export "bailiwick:agent/lifecycle@0.1.0#stop") (result i32) {NO_ANSWER})
        (func (export "bailiwick:agent/lifecycle@0.1.0#command") (param i32 i32 i32 i32) (result i32) {NO_ANSWER}))"#
    );
    component_of("lasting", &module, StringEncoding::UTF8)
}

fn agent_module(parts: &str, handle: &str) -> String {
    format!(
        r#"(module {parts} (func (export "bailiwick:agent/inbox@0.1.0#handle") (param i32) (result i32) {handle}))"#
    )
}

fn component_of(world: &str, module: &str, strings: StringEncoding) -> Vec<u8> {
    let mut module = wat::parse_str(module).expect("a test's module is well formed");
    let mut resolve = Resolve::default();
    resolve.push_dir(paths::repo().join("wit/agent-0.1")).expect("our own WIT");
    let package = resolve.push_str("guest.wit", &format!("{WORLD}{WASI}")).expect("the WIT above");
    let world = resolve.select_world(&[package], Some(world)).expect("a world of the WIT above");
    wit_component::embed_component_metadata(&mut module, &resolve, world, strings).expect("a module of this world");
    let encoder = ComponentEncoder::default().module(&module).expect("a module of this world");
    encoder.validate(true).encode().expect("its imports and exports have the world's types")
}
