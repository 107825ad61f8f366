//! The clock of the machine, where something has a day or a time.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use verifier::policy::Date;

/// The day by the clock of the machine, in UTC; none where the clock stands before 1970.
pub(crate) fn today() -> Option<Date> {
    date_of(since_1970()? / DAY)
}

/// The time in UTC, as RFC 3339 writes it: that of `SOURCE_DATE_EPOCH` where it is set, so that a report can be made again.
pub(crate) fn timestamp() -> anyhow::Result<String> {
    match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().ok().and_then(timestamp_of).with_context(|| {
            format!("SOURCE_DATE_EPOCH is {text:?}, which is no number of seconds since 1970")
        }),
        Err(_) => since_1970()
            .and_then(timestamp_of)
            .context("the clock of the machine stands outside the calendar"),
    }
}

fn since_1970() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// The day of a time in seconds since 1970.
#[cfg(feature = "service")]
pub(crate) fn day(seconds: u64) -> Option<Date> {
    date_of(seconds / DAY)
}

/// Seconds since 1970 as a date and a time.
fn timestamp_of(seconds: u64) -> Option<String> {
    let (day, second) = (date_of(seconds / DAY)?, seconds % DAY);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!("{day}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Seconds.
const DAY: u64 = 86_400;

/// The day of the calendar that is so many days after 1970-01-01.
fn date_of(days: u64) -> Option<Date> {
    // Years begin in March here, so that the leap day is the last: 400 of them have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + carry;
    Date::new(
        u16::try_from(year).ok()?,
        u8::try_from(month).ok()?,
        u8::try_from(day).ok()?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        for (days, (year, month, day)) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_513, (2026, 3, 1)),
            (20_818, (2026, 12, 31)),
        ] {
            assert_eq!(date_of(days), Date::new(year, month, day), "{days}");
        }
    }

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_798_761_661, "2027-01-01T00:01:01Z"),
        ] {
            assert_eq!(timestamp_of(seconds).as_deref(), Some(expected));
        }
        assert_eq!(timestamp_of(u64::MAX), None);
    }
}
