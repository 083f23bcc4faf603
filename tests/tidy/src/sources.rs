//! How a source file is built: it opens by saying its job, and a table of contents holds no logic.

use crate::repo::{File, expect_none, rust_files};

const OURS: [&str; 5] = ["host", "guest-sdk", "examples", "tests", "xtask"];
/// Folders whose agents are one file each, so that their `lib.rs` is the agent.
const AGENTS: [&str; 2] = ["examples/", "tests/guests/"];

/// What a line of logic begins with; docs, attributes, `mod` and `use` begin otherwise.
const LOGIC: [&str; 14] = [
    "fn ",
    "async ",
    "const ",
    "static ",
    "struct ",
    "enum ",
    "union ",
    "trait ",
    "impl",
    "type ",
    "macro_rules!",
    "unsafe ",
    "let ",
    "thread_local!",
];

#[test]
fn every_file_opens_with_a_module_doc() {
    expect_none(&undocumented(&rust_files(&OURS)));
}

#[test]
fn a_file_without_a_module_doc_is_found() {
    let files = [
        File::made_up("good.rs", "//! Keeps time.\nuse std::time;\n"),
        File::made_up("bad.rs", "use std::time;\n//! Keeps time.\n"),
        File::made_up("empty.rs", "//!\nuse std::time;\n"),
    ];
    assert_eq!(
        undocumented(&files),
        ["bad.rs does not open with a module doc", "empty.rs does not open with a module doc"]
    );
}

#[test]
fn lib_and_mod_files_hold_no_logic() {
    let files = rust_files(&OURS);
    let files: Vec<_> =
        files.into_iter().filter(|file| !AGENTS.iter().any(|agents| file.path.starts_with(agents))).collect();
    expect_none(&logic_in_contents(&files));
}

#[test]
fn logic_in_a_table_of_contents_is_found() {
    let contents =
        "//! Doc.\n#![forbid(unsafe_code)]\n\nmod a;\n#[cfg(test)]\nmod tests;\npub use a::{\n    One,\n    Two,\n};\n";
    assert!(logic_in_contents(&[File::made_up("lib.rs", contents)]).is_empty());
    for line in
        ["pub fn run() {}", "struct Gate;", "impl Gate {", "pub(crate) const LEN: usize = 4;", "macro_rules! agent {"]
    {
        let found = logic_in_contents(&[File::made_up("host/gate/src/lib.rs", &format!("{contents}{line}\n"))]);
        assert_eq!(found, [format!("host/gate/src/lib.rs:11: a table of contents holds `{line}`")]);
        assert!(logic_in_contents(&[File::made_up("host/gate/src/admit.rs", line)]).is_empty());
    }
}

fn undocumented(files: &[File]) -> Vec<String> {
    let documented = |file: &&File| file.text.lines().next().is_some_and(|line| line.starts_with("//! "));
    let bad = files.iter().filter(|file| !documented(file));
    bad.map(|file| format!("{} does not open with a module doc", file.path)).collect()
}

fn logic_in_contents(files: &[File]) -> Vec<String> {
    let contents = files.iter().filter(|file| file.path.ends_with("lib.rs") || file.path.ends_with("mod.rs"));
    contents
        .flat_map(|file| file.text.lines().enumerate().filter(|(_, line)| is_logic(line)).map(complaint(file)))
        .collect()
}

fn complaint(file: &File) -> impl Fn((usize, &str)) -> String {
    move |(index, line)| format!("{}:{}: a table of contents holds `{}`", file.path, index + 1, line.trim())
}

fn is_logic(line: &str) -> bool {
    let item = without_visibility(line.trim_start());
    LOGIC.iter().any(|start| item.starts_with(start))
}

/// An item without its `pub` or `pub(…)`.
pub(crate) fn without_visibility(item: &str) -> &str {
    let item = item.strip_prefix("pub").unwrap_or(item);
    let item = if item.starts_with('(') { item.split_once(')').map_or(item, |(_, rest)| rest) } else { item };
    item.trim_start()
}
