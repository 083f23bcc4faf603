//! Tests: what the oracle must find, and what it must leave alone.

use super::*;

/// What two tenants' words do in one place.
fn check(place: Place<'_>, text: &str, expected: Option<&str>) {
    let oracle = Oracle::new(&["acme", "globex"]);
    let text = text.replace("ACME", oracle.canary("acme")).replace("SEALED", oracle.secret("acme"));
    oracle.judge("test", place, "here", text.as_bytes());
    let report = oracle.report();
    let why: Vec<_> = report.leaks.iter().map(|leak| leak.why.as_str()).collect();
    assert_eq!(why, expected.into_iter().collect::<Vec<_>>(), "{text}");
}

#[test]
fn a_tenants_word_may_stand_in_its_own_place_and_in_nobody_elses() {
    check(Place::Of("acme"), "it says ACME", None);
    check(Place::Of("globex"), "it says ACME", Some("in globex's place"));
    check(Place::Of("globex"), "it says nothing", None);
}

#[test]
fn a_shared_record_may_name_the_tenant_whose_word_it_has_and_no_other() {
    check(Place::Record, "tenant=acme said=ACME", None);
    check(Place::Record, "somebody said ACME", None);
    check(Place::Record, "tenant=globex said=ACME", Some("beside globex"));
    check(Place::Record, "acme/zoo to globex/zoo: ACME", Some("beside globex"));
    check(Place::Record, "tenant=globexo, my-globex: ACME", None);
    check(Place::Mixed, "globex ACME", None);
}

#[test]
fn a_sealed_word_may_stand_nowhere() {
    for place in [Place::Of("acme"), Place::Record, Place::Mixed] {
        check(place, "it says SEALED", Some("a sealed word in the clear"));
    }
}

#[test]
fn leaks_are_counted_past_those_that_are_kept() {
    let oracle = Oracle::new(&["acme", "globex"]);
    for _ in 0..101 {
        oracle.hear("globex", "deliveries", oracle.canary("acme"));
    }
    let report = oracle.report();
    assert_eq!((report.leaks_len, report.leaks.len()), (101, 100));
    assert_eq!(report.sinks["deliveries"], SinkSeen { records: 101, bytes: 101 * 38, words: 101 });
    assert!(report.saw("acme") && !report.saw("globex"));
}
