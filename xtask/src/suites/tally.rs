//! Counts tests from what the runners print: `cargo test` and nextest each close with one line of numbers.

use std::fmt;
use std::iter::Sum;

/// Tests that ran.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    /// Tests that failed and passed when they were run again: each is a defect, of the test or of the product.
    flaky: Vec<String>,
}

impl Tally {
    /// Adds the numbers of a closing line; any other line counts nothing.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(flaky) = flaky_test(line) {
            self.flaky.push(flaky.to_owned());
        }
        let Some(numbers) = closing_numbers(line) else { return };
        for part in numbers.split([',', ';']) {
            let Some((count, outcome)) = part.trim().split_once(' ') else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            match outcome {
                "passed" => self.passed += count,
                "failed" | "timed out" | "exec failed" => self.failed += count,
                _ => {}
            }
        }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut all, one| {
            all.passed += one.passed;
            all.failed += one.failed;
            all.flaky.extend(one.flaky);
            all
        })
    }
}

impl Tally {
    /// One line for each test that passed only when it was run again.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.flaky.iter().map(|test| format!("warning: {test} failed and passed when it was run again: mend it"))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The test that nextest names once at its end, as `FLAKY 2/2 [   0.005s] (3/9) host-gate tests::a_body`.
fn flaky_test(line: &str) -> Option<&str> {
    let (_, test) = line.trim_start().strip_prefix("FLAKY ")?.split_once("] ")?;
    let test = test.trim_start();
    Some(test.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(test, |(_, test)| test))
}

/// The list `3 passed, 1 failed, …` of a closing line, without nextest's remarks in parentheses.
fn closing_numbers(line: &str) -> Option<String> {
    let line = line.trim_start();
    let numbers = if let Some(libtest) = line.strip_prefix("test result: ") {
        libtest.split_once(". ")?.1
    } else {
        line.strip_prefix("Summary [")?.split_once(" run: ")?.1
    };
    Some(without_remarks(numbers))
}

fn without_remarks(numbers: &str) -> String {
    let mut plain = String::new();
    let mut rest = numbers;
    while let Some((before, after)) = rest.split_once(" (") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, passed: u64, failed: u64) {
        let mut tally = Tally::default();
        tally.read(line);
        assert_eq!(tally, Tally { passed, failed, flaky: Vec::new() }, "{line}");
    }

    #[test]
    fn the_closing_line_of_each_runner_is_counted() {
        check("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s", 3, 0);
        check(
            "test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            2,
            4,
        );
        check("     Summary [   0.005s] 3 tests run: 3 passed, 0 skipped", 3, 0);
        check(
            "     Summary [  61.002s] 9 tests run: 6 passed (1 slow, 1 flaky), 2 failed, 1 timed out, 4 skipped",
            6,
            3,
        );
        check("     Summary [   0.005s] 1 test run: 1 passed (1 leaky), 0 skipped", 1, 0);
    }

    #[test]
    fn who_passed_only_the_second_time_is_named() {
        for line in [
            "   FLAKY 2/2 [   0.005s] host-gate tests::a_body",
            "   FLAKY 2/2 [   0.005s] (3/9) host-gate tests::a_body",
        ] {
            let mut tally = Tally::default();
            tally.read(line);
            assert_eq!(tally.flaky, ["host-gate tests::a_body"]);
            assert_eq!(tally.to_string(), "0 passed, 0 failed");
        }
    }

    #[test]
    fn other_lines_count_nothing() {
        check("test gate::tests::five_passed ... ok", 0, 0);
        check("        PASS [   0.004s] host-gate tests::a_body", 0, 0);
        check("5 passed, 2 failed", 0, 0);
    }
}
