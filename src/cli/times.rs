//! Parsing of days and points in time on the command line.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use pipeline::record::is_impossible_day;

/// Parses a day in the format of the flags.
pub(super) fn day(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| match is_impossible_day(text) {
        true => format!("{text}: there is no such day"),
        false => format!("{text:?} is not a date: write YYYY-MM-DD, such as 2026-11-01"),
    })
}

/// Parses a point in time.
pub(super) fn timestamp(text: &str) -> Result<DateTime<Utc>, String> {
    let is_day = !text.contains([':', 'T']);
    match pipeline::record::timestamp::parse(text) {
        Some(at) if is_day => {
            Err(format!("{text} has no time of day: write {0}T00:00:00Z for its start", at.date_naive()))
        }
        Some(at) => Ok(at),
        None => Err(not_a_timestamp(text)),
    }
}

/// Parses the end of a period: a point in time, or a day, which is included.
pub(super) fn end_of_period(text: &str) -> Result<DateTime<Utc>, String> {
    match text.parse::<NaiveDate>() {
        Ok(day) => {
            let next = day.checked_add_days(Days::new(1)).ok_or_else(|| not_a_timestamp(text))?;
            Ok(next.and_time(NaiveTime::MIN).and_utc() - TimeDelta::microseconds(1))
        }
        Err(_) => timestamp(text),
    }
}

fn not_a_timestamp(text: &str) -> String {
    match text.get(..10).is_some_and(is_impossible_day) {
        true => format!("{text}: there is no such day"),
        false => format!("{text:?} is not a timestamp: write 2026-11-22T18:00:00Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_does_not_exist_is_not_called_a_wrong_form() {
        assert!(day("2026-02-28").is_ok());
        assert_eq!(day("2026-02-30"), Err("2026-02-30: there is no such day".to_owned()));
        assert!(day("28/02/2026").unwrap_err().contains("write YYYY-MM-DD"));
        assert_eq!(timestamp("2026-02-30T00:00:00Z"), Err("2026-02-30T00:00:00Z: there is no such day".to_owned()));
    }

    #[test]
    fn a_period_that_ends_on_a_day_includes_it() {
        let at = |text: &str| end_of_period(text).map(|at| at.to_rfc3339()).unwrap();
        assert_eq!(at("2026-03-01"), "2026-03-01T23:59:59.999999+00:00");
        assert_eq!(at("2026-03-01T00:00:00Z"), "2026-03-01T00:00:00+00:00");
        assert!(end_of_period("yesterday").unwrap_err().contains("write 2026-11-22T18:00:00Z"));
        assert!(end_of_period("2026-02-30").unwrap_err().contains("no such day"));
    }

    #[test]
    fn a_point_in_time_needs_a_time_of_day() {
        assert!(timestamp("2026-03-01").unwrap_err().contains("write 2026-03-01T00:00:00Z"));
        assert!(timestamp("20260301T000000Z").is_ok());
    }
}
