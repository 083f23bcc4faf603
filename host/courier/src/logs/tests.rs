//! Each bound of a log on both of its sides, and whose log it is.

use tests_kit::gate::{FixedClock, born};

use super::*;

const ALL: LogQuery = LogQuery { since: None, level: None, source: None, contains: None, limit: usize::MAX };

/// One agent's log and its time.
struct Page {
    book: LogBook,
    clock: Arc<FixedClock>,
    caller: Arc<Caller>,
}

impl Page {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::new());
        Self { book: LogBook::new(clock.clone()), clock, caller: born("acme", "kb") }
    }

    fn write(&self, message: &str) {
        self.book.write(&self.caller, &line(message));
    }

    /// Writes as fast as is allowed: no line is left out.
    fn write_slowly(&self, count: usize, message: impl Fn(usize) -> String) {
        for number in 0..count {
            if number % LINES_PER_SECOND_MAX as usize == 0 {
                self.clock.advance_ms(1000);
            }
            self.write(&message(number));
        }
    }

    fn read(&self, query: &LogQuery) -> Vec<Arc<LogRecord>> {
        self.book.read(self.caller.tenant(), self.caller.agent(), query)
    }

    fn messages(&self, query: &LogQuery) -> Vec<String> {
        self.read(query).iter().map(|record| record.message.clone()).collect()
    }
}

fn line(message: &str) -> LogLine {
    LogLine { level: LogLevel::Info, source: LogSource::Log, message: message.to_owned(), fields: Vec::new() }
}

#[test]
fn the_last_thousand_records_are_kept() {
    let page = Page::new();
    page.write_slowly(RECORDS_MAX, |number| number.to_string());
    assert_eq!((page.read(&ALL).len(), page.messages(&ALL)[0].as_str()), (RECORDS_MAX, "0"));
    page.write_slowly(1, |_| "last".to_owned());
    let messages = page.messages(&ALL);
    assert_eq!((messages.len(), messages[0].as_str(), messages[RECORDS_MAX - 1].as_str()), (RECORDS_MAX, "1", "last"));
}

#[test]
fn the_last_mebibyte_is_kept() {
    let page = Page::new();
    let fits = RECORDS_BYTES_MAX / MESSAGE_LEN_MAX;
    page.write_slowly(fits, |_| "x".repeat(MESSAGE_LEN_MAX));
    assert_eq!(page.read(&ALL).len(), fits);
    page.write_slowly(1, |_| "y".to_owned());
    let messages = page.messages(&ALL);
    assert_eq!((messages.len(), messages[fits - 1].as_str()), (fits, "y"), "the oldest made room");
}

#[test]
fn a_message_is_cut_at_its_bound() {
    let page = Page::new();
    page.write(&"x".repeat(MESSAGE_LEN_MAX));
    page.write(&"x".repeat(MESSAGE_LEN_MAX + 1));
    assert_eq!(page.messages(&ALL), ["x".repeat(MESSAGE_LEN_MAX), "x".repeat(MESSAGE_LEN_MAX) + "…"]);
}

#[test]
fn fields_are_counted_and_cut_at_their_bounds() {
    let page = Page::new();
    let field = |len: usize| Header { name: "n".repeat(len), value: "v".repeat(len) };
    let write = |fields| page.book.write(&page.caller, &LogLine { fields, ..line("x") });
    write(vec![field(FIELD_LEN_MAX); FIELDS_MAX]);
    write(vec![field(FIELD_LEN_MAX + 1); FIELDS_MAX + 1]);
    let records = page.read(&ALL);
    assert_eq!(records[0].fields, vec![field(FIELD_LEN_MAX); FIELDS_MAX]);
    assert_eq!(records[1].fields.len(), FIELDS_MAX);
    assert_eq!(records[1].fields[0].name, "n".repeat(FIELD_LEN_MAX) + "…");
    assert_eq!(records[1].fields[0].value, "v".repeat(FIELD_LEN_MAX) + "…");
}

#[test]
fn what_could_act_on_a_reader_is_escaped_in_message_and_fields() {
    let page = Page::new();
    let nasty = "\u{1b}[31m\r\nforged\u{2028}";
    let fields = vec![Header { name: nasty.into(), value: nasty.into() }];
    page.book.write(&page.caller, &LogLine { fields, ..line(nasty) });
    let records = page.read(&ALL);
    let escaped = "\\u{1b}[31m\\u{d}\\u{a}forged\\u{2028}";
    assert_eq!(records[0].message, escaped);
    assert_eq!((records[0].fields[0].name.as_str(), records[0].fields[0].value.as_str()), (escaped, escaped));
}

#[test]
fn lines_past_the_rate_are_left_out_and_counted_exactly() {
    let page = Page::new();
    let max = LINES_PER_SECOND_MAX as usize;
    for number in 0..max + 17 {
        page.write(&number.to_string());
    }
    assert_eq!(page.read(&ALL).len(), max);
    page.clock.advance_ms(1000);
    page.write("next second");
    page.write("after that");
    let left_out: Vec<u64> = page.read(&ALL).iter().map(|record| record.left_out).collect();
    assert_eq!(left_out[max..], [17, 0], "told once, with the line that follows");
    assert!(left_out[..max].iter().all(|count| *count == 0));
}

#[test]
fn the_hosts_own_words_are_never_left_out() {
    let page = Page::new();
    for _ in 0..=LINES_PER_SECOND_MAX {
        page.write("flood");
    }
    page.book.write(&page.caller, &LogLine { source: LogSource::Host, ..line("cut off") });
    let records = page.read(&ALL);
    let last = records.last().unwrap();
    assert_eq!((last.message.as_str(), last.left_out), ("cut off", 1));
}

#[test]
fn one_agents_flood_takes_no_room_from_another() {
    let page = Page::new();
    let quiet = born("acme", "quiet");
    page.book.write(&quiet, &line("before"));
    page.write_slowly(RECORDS_MAX * 2, |_| "flood".to_owned());
    page.book.write(&quiet, &line("after"));
    let kept = page.book.read(quiet.tenant(), quiet.agent(), &ALL);
    assert_eq!(kept.iter().map(|record| record.message.as_str()).collect::<Vec<_>>(), ["before", "after"]);
}

#[test]
fn a_question_about_another_tenants_agent_finds_nothing() {
    let page = Page::new();
    page.write("secret");
    let globex = "globex".parse().unwrap();
    assert!(page.book.read(&globex, page.caller.agent(), &ALL).is_empty());
    assert!(page.book.read(page.caller.tenant(), &"unknown".parse().unwrap(), &ALL).is_empty());
    assert_eq!(page.messages(&ALL), ["secret"]);
}

#[test]
fn all_given_conditions_must_hold_and_the_last_lines_count() {
    let page = Page::new();
    let first = page.clock.now();
    page.book.write(&page.caller, &LogLine { level: LogLevel::Error, ..line("early error") });
    page.clock.advance_ms(10);
    page.write("late info");
    page.book
        .write(&page.caller, &LogLine { source: LogSource::Stderr, level: LogLevel::Warn, ..line("late warning") });
    let check = |query: LogQuery, expected: &[&str]| assert_eq!(page.messages(&query), expected);
    check(LogQuery { since: Some(first), ..ALL }, &["early error", "late info", "late warning"]);
    check(LogQuery { since: Some(page.clock.now()), ..ALL }, &["late info", "late warning"]);
    check(LogQuery { level: Some(LogLevel::Warn), ..ALL }, &["early error", "late warning"]);
    check(LogQuery { source: Some(LogSource::Stderr), ..ALL }, &["late warning"]);
    check(LogQuery { contains: Some("late".into()), level: Some(LogLevel::Warn), ..ALL }, &["late warning"]);
    check(LogQuery { limit: 2, ..ALL }, &["late info", "late warning"]);
    check(LogQuery { limit: 0, ..ALL }, &[]);
}

#[tokio::test]
async fn a_follower_gets_what_matches_from_now_on_until_the_log_is_forgotten() {
    let page = Page::new();
    page.write("before");
    let query = LogQuery { contains: Some("wanted".into()), ..ALL };
    let mut stream = page.book.follow(page.caller.tenant(), page.caller.agent(), query);
    let mut foreign = page.book.follow(&"globex".parse().unwrap(), page.caller.agent(), ALL);
    page.write("other");
    page.write("wanted");
    page.book.forget(page.caller.tenant(), page.caller.agent());
    assert_eq!(stream.next().await.map(|record| record.message.clone()).as_deref(), Some("wanted"));
    assert!(stream.next().await.is_none());
    page.book.forget(&"globex".parse().unwrap(), page.caller.agent());
    assert!(foreign.next().await.is_none(), "nothing of another tenant before the end");
    assert!(page.read(&ALL).is_empty());
}
