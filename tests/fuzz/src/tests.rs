//! The short form: each target from a fixed number on.

use crate::{Tally, Target};

/// Where the short form begins.
const FROM: u64 = 1;

/// Every case of the short form holds, and a fair part of what it tries is good: what is always refused at the door tests the door.
fn check(name: &str, took_min: u64) {
    let target = Target::named(name).unwrap();
    let tally = target.run(FROM, target.short, || true);
    let again = |(number, fault)| format!("{fault:?}\n  again: cargo xtask fuzz --target {name} --seed {number}");
    let faults: Vec<String> = tally.faults.iter().cloned().map(again).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(tally.took >= took_min, "only {} of {} were good", tally.took, tally.executions);
}

#[test]
fn nothing_forged_is_verified() {
    check("forgery", 100);
}

#[test]
fn two_decoders_agree_on_every_frame() {
    check("decoders", 3_000);
}

#[test]
fn names_stay_where_they_belong() {
    check("words", 20_000);
}

#[test]
fn documents_are_read_whole_or_refused_in_one_line() {
    check("documents", 2_000);
}

#[test]
fn calls_come_out_of_the_codec_as_they_went_in() {
    check("codec", 5_000);
}

#[test]
fn garbage_at_the_border_ends_one_message_and_no_more() {
    check("guest", 1_000);
}

#[test]
fn a_number_repeats_its_case() {
    for name in ["forgery", "decoders", "words", "documents", "codec"] {
        let target = Target::named(name).unwrap();
        (0..50).for_each(|number| assert_eq!(target.case(number), target.case(number), "{name} {number}"));
    }
}

#[test]
fn the_closing_line_counts_each_kind_of_fault() {
    use crate::Fault::{Broken, Crash, Forgery};
    let faults = vec![
        (1, Crash(String::new())),
        (2, Forgery(String::new())),
        (3, Broken(String::new())),
        (4, Crash(String::new())),
    ];
    let tally = Tally { executions: 7, took: 2, faults }.and(Tally { executions: 1, ..Tally::default() });
    assert_eq!(tally.line(), "8 executions, 2 crashes, 1 accepted forgeries, 1 other broken promises");
}
