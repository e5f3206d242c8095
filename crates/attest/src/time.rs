//! Time as statements write it: seconds since the epoch as RFC 3339, in UTC.

/// Last second of the year 9999, which is the last one that RFC 3339 can write.
const LAST: u64 = 253_402_300_799;

/// Seconds since the epoch as `SOURCE_DATE_EPOCH` has them: decimal digits, up to the year 9999.
#[must_use]
pub fn parse_epoch(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&seconds| digits && seconds <= LAST)
}

/// `2026-11-22T01:00:34Z`. Times behind the year 9999 are its last second.
#[must_use]
pub fn rfc3339(epoch: u64) -> String {
    let epoch = epoch.min(LAST);
    let (mut days, second) = (epoch / 86_400, epoch % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // At most 8029 steps: simple beats clever here.
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    let (day, hour, minute) = (days + 1, second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        // From `date -u -d @N`.
        for (epoch, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_309_234, "2026-11-22T01:00:34Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(epoch), text);
        }
    }

    #[test]
    fn source_date_epoch_is_digits() {
        assert_eq!(parse_epoch("1795309234"), Some(1_795_309_234));
        for bad in ["", "-1", "+1", " 1", "1.5", "0x10", "253402300800", "99999999999999999999"] {
            assert_eq!(parse_epoch(bad), None, "{bad:?}");
        }
    }
}
