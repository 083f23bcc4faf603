//! What reading a component promises, with both sides of each line.

use super::*;
use crate::samples::{INBOX, binary, component};

fn refused(bytes: &[u8]) -> ComponentError {
    Component::read(bytes).unwrap_err()
}

/// A component with one core module in it.
fn with_core(module: &str) -> Result<Component, ComponentError> {
    Component::read(&binary(&[&format!("(core module {module})")]))
}

#[test]
fn what_is_no_component_is_told_apart() {
    assert_eq!(refused(b""), ComponentError::NotWasm);
    assert_eq!(refused(b"(component)"), ComponentError::NotWasm);
    assert_eq!(refused(b"\x7fELF\x02\x01\x01"), ComponentError::Elf);
    assert_eq!(refused(&wat::parse_str("(module)").unwrap()), ComponentError::CoreModule);
    assert!(matches!(refused(b"\0asm"), ComponentError::Invalid { .. }));
    assert!(matches!(refused(b"\0asm\x0c\0\x01\0"), ComponentError::Invalid { .. }));
    assert_eq!(Component::read(&binary(&[])).map(|component| component.imports), Ok(vec![]));
}

#[test]
fn a_component_cut_short_or_changed_is_refused_and_never_a_panic() {
    let bytes = binary(&[INBOX]);
    // A cut between two sections leaves a smaller component, which is one all the same.
    let whole = (8..bytes.len()).filter(|end| Component::read(bytes.get(..*end).unwrap()).is_ok()).count();
    assert!(whole < 12, "{whole}");
    for at in 8..bytes.len() {
        let mut bytes = bytes.clone();
        *bytes.get_mut(at).unwrap() ^= 0x55;
        let _ = Component::read(&bytes);
    }
}

#[test]
fn a_component_is_read_up_to_16_mib_and_refused_past_it() {
    let padded = |len: usize| {
        let mut bytes = binary(&[]);
        // A custom section without a name: id 0, its size in five bytes, the length of the name.
        let size = u32::try_from(len - bytes.len() - 6).unwrap();
        bytes.push(0);
        bytes.extend((0..5).map(|i| u8::try_from(size >> (7 * i) & 0x7f).unwrap() | if i < 4 { 0x80 } else { 0 }));
        bytes.resize(len, 0);
        Component::read(&bytes).map(|component| component.size_bytes)
    };
    assert_eq!(padded(COMPONENT_LEN_MAX), Ok(COMPONENT_LEN_MAX));
    assert_eq!(
        padded(COMPONENT_LEN_MAX + 1),
        Err(ComponentError::TooLarge { len: COMPONENT_LEN_MAX + 1, len_max: COMPONENT_LEN_MAX })
    );
}

#[test]
fn what_the_engine_enables_is_valid() {
    for module in [
        "(global (mut i32) (i32.const 0))",
        "(func (param f32) (result i32) local.get 0 i32.trunc_sat_f32_s)",
        "(func (param i32) (result i32) local.get 0 i32.extend8_s)",
        "(func (result i32 i32) i32.const 1 i32.const 2)",
        "(memory 1) (func i32.const 0 i32.const 0 i32.const 0 memory.copy)",
        "(table 1 funcref) (table 1 funcref)",
        "(func (result v128) v128.const i64x2 0 0)",
        "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
    ] {
        assert!(with_core(module).is_ok(), "{module}");
    }
}

#[test]
fn every_proposal_that_the_engine_leaves_out_is_refused() {
    for module in [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(table i64 1 funcref)",
        "(memory 1) (memory 1)",
        "(memory 1 (pagesize 1))",
        "(table 1 externref)",
        "(type (struct))",
        "(type $f (func)) (func (param (ref $f)))",
        "(type $f (func)) (type (cont $f))",
        "(tag)",
        "(func return_call 0)",
        "(func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle)",
        "(func (param i64 i64 i64 i64) (result i64 i64) local.get 0 local.get 1 local.get 2 local.get 3 i64.add128)",
    ] {
        assert!(matches!(with_core(module), Err(ComponentError::Invalid { .. })), "{module}");
    }
    for part in ["(type (future u8))", "(type (stream u8))", "(core func (canon task.cancel))"] {
        assert!(matches!(refused(&binary(&[part])), ComponentError::Invalid { .. }), "{part}");
    }
}

#[test]
fn imports_and_exports_are_listed_by_name() {
    let imports = r#"(import "b:b/b@0.1.0" (instance)) (import "a" (func (param "x" u8))) (import "a:a/a" (instance (export "f" (func))))"#;
    let component = component(&[imports, INBOX]);
    let names: Vec<_> = component.imports.iter().map(|import| import.name.as_str()).collect();
    assert_eq!(names, ["a", "a:a/a", "b:b/b@0.1.0"]);
    assert_eq!(component.imports.first().unwrap().functions.first().unwrap().wit, "a: func(x: u8)");
    assert_eq!(component.exports.first().unwrap().name, "bailiwick:agent/inbox@0.1.0");
    assert_eq!(component.digest, Digest::of(&binary(&[imports, INBOX])));
}

#[test]
fn a_nested_component_reaches_only_what_the_outer_one_imports() {
    let nested = r#"(component $c (import "wasi:sockets/tcp@0.2.0" (instance)))"#;
    assert_eq!(component(&[nested]).imports, []);
    let handed_on = r#"(import "wasi:io/error@0.2.0" (instance $own)) (instance (instantiate $c (with "wasi:sockets/tcp@0.2.0" (instance $own))))"#;
    let imports = component(&[nested, handed_on]).imports;
    assert_eq!(imports.iter().map(|import| import.name.as_str()).collect::<Vec<_>>(), ["wasi:io/error@0.2.0"]);
}

#[test]
fn what_is_not_wit_is_refused() {
    for part in [
        r#"(import "m" (core module))"#,
        r#"(import "c" (component))"#,
        r#"(import "wasi:io/error@0.2.0" (core module))"#,
        r#"(import "wasi:io/error@0.2.0" (func))"#,
        r#"(type $t u32) (import "wasi:io/error@0.2.0" (type (eq $t)))"#,
        r#"(import "a:a/a" (instance (export "m" (core module))))"#,
    ] {
        assert!(matches!(refused(&binary(&[part])), ComponentError::NotWit { .. }), "{part}");
    }
    assert_eq!(
        refused(&binary(&[r#"(component (import "a:a/a" (instance))) (import "m" (core module))"#])),
        ComponentError::NotWit { problem: "the import 'm' is no interface".into() }
    );
}

#[test]
fn a_resource_asked_of_the_host_is_listed_and_a_type_is_not() {
    let listed = |part: &str| component(&[part]).imports.len();
    assert_eq!(listed(r#"(import "r" (type (sub resource)))"#), 1);
    assert_eq!(listed(r#"(type $t u32) (import "t" (type (eq $t)))"#), 0);
}

#[test]
fn imports_and_functions_have_a_most() {
    let imports = |count: usize| (0..count).map(|n| format!("(import \"i{n}\" (func))")).collect::<Vec<_>>().concat();
    assert_eq!(component(&[&imports(INTERFACES_MAX)]).imports.len(), INTERFACES_MAX);
    let too_many = ComponentError::TooMany { what: "imports", count: INTERFACES_MAX + 1, count_max: INTERFACES_MAX };
    assert_eq!(refused(&binary(&[&imports(INTERFACES_MAX + 1)])), too_many);
    let functions = |count: usize| {
        let exports: Vec<String> = (0..count).map(|n| format!("(export \"f{n}\" (func))")).collect();
        format!("(import \"a:a/a\" (instance {}))", exports.concat())
    };
    assert_eq!(component(&[&functions(FUNCTIONS_MAX)]).imports.len(), 1);
    let too_many = ComponentError::TooMany { what: "functions", count: FUNCTIONS_MAX + 1, count_max: FUNCTIONS_MAX };
    assert_eq!(refused(&binary(&[&functions(FUNCTIONS_MAX + 1)])), too_many);
}
