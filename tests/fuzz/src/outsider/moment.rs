//! `2026-11-21T18:57:39.123Z` and back, by the calendar's own rules.

/// The last moment that has a spelling: 9999-12-30T21:59:59.999Z.
const LAST: u64 = 253_402_207_199_999;
const DAY_MILLIS: u64 = 86_400_000;

/// Milliseconds since 1970, of the one spelling.
pub(crate) fn read(text: &str) -> Option<u64> {
    let places = "0000-00-00T00:00:00.000Z";
    let fits = |(got, place): (u8, u8)| if place == b'0' { got.is_ascii_digit() } else { got == place };
    if text.len() != places.len() || !text.bytes().zip(places.bytes()).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, millis) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let is_day = year >= 1970 && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = (1970..year).map(days_of_year).sum::<u64>() + (1..month).map(|month| days_of(year, month)).sum::<u64>();
    let moment = (days + day - 1) * DAY_MILLIS + ((hour * 60 + minute) * 60 + second) * 1_000 + millis;
    (moment <= LAST).then_some(moment)
}

/// The one spelling.
pub(crate) fn write(moment: u64) -> String {
    let (mut days, millis) = (moment / DAY_MILLIS, moment % DAY_MILLIS);
    let (mut year, mut month) = (1970, 1);
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    while days >= days_of(year, month) {
        days -= days_of(year, month);
        month += 1;
    }
    let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", days + 1, millis % 1_000)
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}
