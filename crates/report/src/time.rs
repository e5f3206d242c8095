//! Seconds since 1970 as RFC 3339, in UTC. Total: every number has a text, though not every text a meaning.

use serde::Serializer;

const DAY: u64 = 86_400;
/// 9999-12-31T23:59:59Z: RFC 3339 has four digits for a year.
const LAST: u64 = 253_402_300_799;

/// `2026-01-31T12:00:00Z`. What lies behind the year 9999 is its last second.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let seconds = seconds.min(LAST);
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of the day that is `days` behind 1970-01-01 (Gregorian calendar).
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut left, mut year) = (days, 1970);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    for (month, &length) in (1..).zip(&DAYS) {
        let length = length + u64::from(month == 2 && leap(year));
        if left < length {
            return (year, month, left + 1);
        }
        left -= length;
    }
    unreachable!("the months of a year have its days")
}

pub(crate) fn serialize<S: Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*seconds))
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn knows_the_calendar() {
        // As date -u -d @N prints them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_255_999, "1972-02-29T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
