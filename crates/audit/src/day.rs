//! Days, as people write them.

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// `2024-06-30`, of seconds since 1970: the calendar of proleptic Gregory, by eras of 400 years from a March.
pub(crate) fn date(unix: i64) -> String {
    let days = unix.div_euclid(DAY).saturating_add(719_468);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar() {
        for (unix, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (1_719_705_600, "2024-06-30"),
            (1_735_689_599, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(unix), expected);
        }
        // Whatever an inode says.
        date(i64::MAX);
        date(i64::MIN);
    }
}
