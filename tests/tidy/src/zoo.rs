//! A guest that nobody lets loose proves nothing: each behaviour of `tests/guests` is described, and some test sends for it.

use std::collections::BTreeSet;

use crate::repo::{File, expect_none, root, rust_files};

const GUESTS: &str = "tests/guests";
/// Who sends to guests.
const SENDERS: [&str; 4] = ["host/engine/src", "tests", "guest-sdk/src", "xtask/src"];

#[test]
fn each_behaviour_of_a_guest_is_described_and_sent_for() {
    let readme = std::fs::read_to_string(root().join(GUESTS).join("README.md")).unwrap();
    expect_none(&idle(&rust_files(&[GUESTS]), &readme, &rust_files(&SENDERS)));
}

#[test]
fn each_guest_has_a_test_that_loads_it() {
    let crates: Vec<_> = rust_files(&[GUESTS]).iter().filter_map(guest_of).collect();
    assert!(crates.len() > 3, "{crates:?}");
    expect_none(&unloaded(&crates, &rust_files(&SENDERS)));
}

#[test]
fn an_idle_behaviour_is_found() {
    let lib = "match kind {\n    \"spin\" | \"fuel\" => spin(),\n    \"hop\" => hop(),\n    other => no(other),\n}\n";
    let guest = [File::made_up("tests/guests/zoo/src/lib.rs", lib)];
    let check = |readme: &str, sender: &str, complaints: &[&str]| {
        let senders = [File::made_up("tests/it/a.rs", sender), File::made_up("tests/guests/zoo/src/lib.rs", lib)];
        assert_eq!(idle(&guest, readme, &senders), complaints, "{readme} {sender}");
    };
    let all = "| message type | does |\n|---|---|\n| `spin`, `fuel` | spins |\n| `hop` | hops |\n";
    let sends = "send(\"spin\"); send(\"fuel\"); send(\"hop\")";
    check(all, sends, &[]);
    check(all, "send(\"spin\"); send(\"fuel\")", &["tests/guests/zoo/src/lib.rs: no test sends for `hop`"]);
    check("`spin`, `fuel`", sends, &["tests/guests/zoo/src/lib.rs: the README does not describe `hop`"]);
    let gone = format!("{all}| `gone` | went |\n");
    check(&gone, sends, &["tests/guests/README.md: no guest does `gone`"]);
}

#[test]
fn a_guest_that_is_not_loaded_is_found() {
    let check = |sender: &str, found: bool| {
        assert_eq!(
            !unloaded(&["zoo".to_owned()], &[File::made_up("tests/kit/a.rs", sender)]).is_empty(),
            found,
            "{sender}"
        );
    };
    check("read(\"tests/guests/zoo.toml\")", false);
    check("read(\"release/zoo.wasm\")", false);
    check("read(\"release/kazoo.wasm\")", true);
}

fn idle(guests: &[File], readme: &str, senders: &[File]) -> Vec<String> {
    let guests: Vec<_> = guests.iter().filter(|file| guest_of(file).is_some()).collect();
    let sent: String = senders.iter().flat_map(|file| file.text.lines()).filter(|line| arm(line).is_none()).collect();
    let mut complaints = Vec::new();
    let mut all = BTreeSet::new();
    for file in guests {
        for behaviour in file.text.lines().filter_map(arm).flatten() {
            if !readme.contains(&format!("`{behaviour}`")) {
                complaints.push(format!("{}: the README does not describe `{behaviour}`", file.path));
            }
            if !sent.contains(&format!("\"{behaviour}\"")) {
                complaints.push(format!("{}: no test sends for `{behaviour}`", file.path));
            }
            all.insert(behaviour);
        }
    }
    let gone = described(readme).filter(|behaviour| !all.contains(behaviour));
    complaints.extend(gone.map(|behaviour| format!("{GUESTS}/README.md: no guest does `{behaviour}`")));
    complaints
}

/// The behaviours that one line of a `match` picks: `"spin" | "fuel" => …`.
fn arm(line: &str) -> Option<Vec<&str>> {
    let (patterns, _) = line.trim().split_once(" => ")?;
    patterns.split(" | ").map(|pattern| pattern.strip_prefix('"')?.strip_suffix('"')).collect()
}

/// What stands in the first column of the tables of message types.
fn described(readme: &str) -> impl Iterator<Item = &str> {
    let tables = readme.split("\n\n").filter(|part| part.trim_start().starts_with("| message type"));
    let cells = tables.flat_map(|table| table.lines().skip(2)).filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split(',')).map(|word| word.trim().trim_matches('`'))
}

/// The guest whose code this is.
fn guest_of(file: &File) -> Option<String> {
    let path = file.path.strip_prefix(GUESTS)?.strip_suffix("/src/lib.rs")?;
    Some(path.trim_start_matches('/').to_owned())
}

fn unloaded(guests: &[String], senders: &[File]) -> Vec<String> {
    let names = |guest: &String| {
        [format!("{GUESTS}/{guest}.toml"), format!("release/{}.wasm", guest.replace('-', "_")), format!("\"{guest}\"")]
    };
    let loaded = |guest: &&String| senders.iter().any(|file| names(guest).iter().any(|name| file.text.contains(name)));
    guests.iter().filter(|guest| !loaded(guest)).map(|guest| format!("{GUESTS}/{guest}: no test loads it")).collect()
}
