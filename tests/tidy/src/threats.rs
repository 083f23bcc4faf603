//! `docs/threats.md` has each row of the catalogue once, and names only tests that exist.

use std::collections::BTreeSet;
use std::fs;

use crate::repo::{expect_none, root, rust_files};

/// The catalogue's tables, and how many rows each has.
const TABLES: [(char, usize); 8] =
    [('E', 36), ('M', 32), ('A', 30), ('S', 16), ('H', 11), ('C', 13), ('P', 21), ('F', 45)];
/// Incidents of neighbouring projects.
const INCIDENTS: (char, usize) = ('I', 28);

/// One row: its number, and what proves it or why nothing does.
struct Row<'a> {
    id: &'a str,
    proof: &'a str,
}

#[test]
fn each_row_of_the_catalogue_has_its_line_and_each_test_that_is_named_exists() {
    let page = fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let sources = rust_files(&["host", "tests", "xtask"]);
    let tests = sources.iter().flat_map(|file| functions(&file.text)).collect();
    expect_none(&complaints(&page, &expected(), &tests));
}

#[test]
fn a_row_that_is_missing_doubled_or_unproven_is_found() {
    let check = |page: &str, found: &[&str]| {
        let expected = ["E01", "E02"].map(str::to_owned);
        assert_eq!(complaints(page, &expected, &BTreeSet::from(["a_loop_ends"])), found, "{page}");
    };
    check("| E01 | ends | `host-engine tests::a_loop_ends` |\n| E02 | ends | NATS |\n", &[]);
    check("| E01 | ends | NATS |\n", &["E02 has 0 lines"]);
    check("| E01 | a | NATS |\n| E01 | a | NATS |\n| E02 | a | NATS |\n", &["E01 has 2 lines"]);
    check("| E01 | a |  |\n| E02 | a | NATS |\n", &["E01 names neither a test nor a reason"]);
    check("| E01 | a | `host-gate tests::it_never_was` |\n| E02 | a | NATS |\n", &["it_never_was is no test"]);
    check("| E01 | a | NATS |\n| E02 | a | NATS |\n| E03 | a | NATS |\n", &["E03 is no row of the catalogue"]);
}

fn expected() -> Vec<String> {
    let rows = |(letter, count): (char, usize)| (1..=count).map(move |number| format!("{letter}{number:02}"));
    TABLES.into_iter().chain([INCIDENTS]).flat_map(rows).collect()
}

impl<'a> Row<'a> {
    /// A line of a table whose first cell is a letter and two digits.
    fn read(line: &'a str) -> Option<Self> {
        let mut cells = line.strip_prefix("| ")?.strip_suffix('|')?.splitn(3, '|');
        let (id, _what, proof) = (cells.next()?.trim(), cells.next()?, cells.next()?.trim());
        let (letter, digits) = id.split_at_checked(1)?;
        let is_id = letter.chars().all(|c| c.is_ascii_uppercase()) && digits.len() == 2 && digits.parse::<u8>().is_ok();
        is_id.then_some(Self { id, proof })
    }
}

fn complaints(page: &str, expected: &[String], tests: &BTreeSet<&str>) -> Vec<String> {
    let rows: Vec<_> = page.lines().filter_map(Row::read).collect();
    let mut complaints = Vec::new();
    for id in expected {
        let count = rows.iter().filter(|row| row.id == id).count();
        if count != 1 {
            complaints.push(format!("{id} has {count} lines"));
        }
    }
    for row in &rows {
        if !expected.iter().any(|id| id == row.id) {
            complaints.push(format!("{} is no row of the catalogue", row.id));
        }
        if row.proof.is_empty() {
            complaints.push(format!("{} names neither a test nor a reason", row.id));
        }
    }
    let unknown = named(page).filter(|test| !tests.contains(test));
    complaints.extend(unknown.map(|test| format!("{test} is no test")));
    complaints
}

/// The tests that stand anywhere on the page, a crate and a path, each by the last part of its path.
fn named(page: &str) -> impl Iterator<Item = &str> {
    let quoted = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let of_a_crate =
        quoted.filter(|quoted| ["host-", "tests-", "xtask "].iter().any(|crates| quoted.starts_with(crates)));
    of_a_crate.filter_map(|quoted| Some(quoted.rsplit_once("::")?.1))
}

/// The names of all functions: a test is among them, whichever attribute makes it one.
fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once('(')?.0))
}
