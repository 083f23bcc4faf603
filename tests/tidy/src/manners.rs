//! What shipped code does not do: panic for convenience, keep notes to itself, or make a caller where none is born.

use crate::repo::{File, expect_none, rust_files};
use crate::sources::without_visibility;

const SHIPPED: [&str; 2] = ["host", "guest-sdk/src"];
const BANNED: [&str; 4] = [".unwrap()", "todo!(", "dbg!(", "unimplemented!("];

/// Identity is given at birth, and only here.
const BIRTH: &str = "Caller::born(";
const BIRTHPLACES: [&str; 3] = ["host/model/", "host/fleet/", "host/auth/"];

#[test]
fn shipped_code_neither_unwraps_nor_leaves_notes() {
    expect_none(&banned_words(&rust_files(&SHIPPED)));
}

#[test]
fn an_unwrap_is_found_outside_tests_only() {
    let text = "//! Doc.\nfn a() {\n    b().unwrap();\n}\n// c().unwrap();\n#[cfg(test)]\nmod tests {\n    use super::*;\n    fn d() {\n        e().unwrap();\n    }\n}\nfn f() {\n    todo!()\n}\n";
    let found = banned_words(&[File::made_up("host/gate/src/admit.rs", text)]);
    assert_eq!(
        found,
        [
            "host/gate/src/admit.rs:3: `.unwrap()` in shipped code",
            "host/gate/src/admit.rs:14: `todo!(` in shipped code"
        ]
    );
    assert!(banned_words(&[File::made_up("host/gate/tests/admit.rs", text)]).is_empty());
}

#[test]
fn a_file_that_is_declared_for_tests_is_no_shipped_code() {
    let check = |declaring: &str, declared: &str, shipped: bool| {
        let files = [File::made_up(declaring, "#[cfg(test)]\nmod tests;\n"), File::made_up(declared, "a.unwrap();\n")];
        assert_eq!(!banned_words(&files).is_empty(), shipped, "{declared} beside {declaring}");
    };
    check("host/gate/src/lib.rs", "host/gate/src/tests.rs", false);
    check("host/gate/src/lib.rs", "host/gate/src/tests_of_time.rs", true);
    check("host/gate/src/admit.rs", "host/gate/src/admit/tests.rs", false);
    check("host/gate/src/admit.rs", "host/gate/src/tests.rs", true);
}

#[test]
fn a_caller_is_born_only_in_its_birthplaces() {
    expect_none(&births_elsewhere(&rust_files(&SHIPPED)));
}

#[test]
fn a_birth_elsewhere_is_found() {
    let text = "//! Doc.\nlet caller = Caller::born(tenant, agent, version, incarnation);\n";
    assert!(births_elsewhere(&[File::made_up("host/fleet/src/start.rs", text)]).is_empty());
    let found = births_elsewhere(&[File::made_up("host/courier/src/publish.rs", text)]);
    assert_eq!(found, ["host/courier/src/publish.rs:2: a caller is born outside host/model/, host/fleet/, host/auth/"]);
}

fn banned_words(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (file, number, line) in shipped_lines(files) {
        let found = BANNED.iter().filter(|word| line.contains(**word));
        complaints.extend(found.map(|word| format!("{}:{number}: `{word}` in shipped code", file.path)));
    }
    complaints
}

fn births_elsewhere(files: &[File]) -> Vec<String> {
    let elsewhere = |file: &File| !BIRTHPLACES.iter().any(|place| file.path.starts_with(place));
    let births = shipped_lines(files).filter(|(file, _, line)| elsewhere(file) && line.contains(BIRTH));
    let places = BIRTHPLACES.join(", ");
    births.map(|(file, number, _)| format!("{}:{number}: a caller is born outside {places}", file.path)).collect()
}

/// The numbered lines that reach a release.
fn shipped_lines(files: &[File]) -> impl Iterator<Item = (&File, usize, &str)> {
    let tests: Vec<_> = files.iter().flat_map(test_modules).collect();
    let is_test = move |path: &str| path.contains("/tests/") || tests.iter().any(|module| path.starts_with(module));
    let shipped = files.iter().filter(move |file| !is_test(&file.path));
    shipped.flat_map(|file| lines_outside_tests(&file.text).into_iter().map(move |(number, line)| (file, number, line)))
}

/// How the paths of the modules begin that `file` declares under `#[cfg(test)]`.
fn test_modules(file: &File) -> Vec<String> {
    let folder = ["lib.rs", "main.rs", "mod.rs"].iter().find_map(|contents| file.path.strip_suffix(contents));
    let folder = folder.map_or_else(|| file.path.replace(".rs", "/"), str::to_owned);
    let pairs = file.text.lines().zip(file.text.lines().skip(1)).filter(|(line, _)| line.trim() == "#[cfg(test)]");
    let names = pairs.filter_map(|(_, item)| without_visibility(item.trim()).strip_prefix("mod ")?.strip_suffix(';'));
    names.flat_map(|name| [format!("{folder}{name}.rs"), format!("{folder}{name}/")]).collect()
}

/// Numbered lines without comments and without items under `#[cfg(test)]`.
fn lines_outside_tests(text: &str) -> Vec<(usize, &str)> {
    let mut shipped = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines, indent_of(line));
        } else if !line.trim_start().starts_with("//") {
            shipped.push((number, line));
        }
    }
    shipped
}

/// Passes over one item. Relies on rustfmt for where it ends: on its own line, or at the brace that stands where it began.
fn skip_item<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>, indent: usize) {
    let head = lines.by_ref().find(|(_, line)| !line.trim_start().starts_with("#["));
    if head.is_some_and(|(_, line)| !line.ends_with([';', '}'])) {
        lines.by_ref().find(|(_, line)| indent_of(line) == indent && line.trim_start().starts_with('}'));
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
