//! Dates that end with the year, such as `05/03/2023`: whether the day or the month is first must be known from elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Order of day and month in dates that end with the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DateOrder {
    /// `31/12/2023`
    #[serde(rename = "dmy")]
    DayFirst,
    /// `12/31/2023`
    #[serde(rename = "mdy")]
    MonthFirst,
}

/// A date that is valid in the other order only, so the stated order is wrong for at least this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction;

impl DateOrder {
    /// Returns the name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DayFirst => "dmy",
            Self::MonthFirst => "mdy",
        }
    }

    /// Returns the other order.
    pub const fn other(self) -> Self {
        match self {
            Self::DayFirst => Self::MonthFirst,
            Self::MonthFirst => Self::DayFirst,
        }
    }

    /// Rewrites a time whose date ends with the year: `31/12/2023 06:30` becomes `2023-12-31 06:30`, and a time with `AM` or
    /// `PM` gets 24 hours. `None` if the text has another form, or is not a date in either order.
    ///
    /// # Errors
    /// Returns an error if the date is valid in the other order only.
    pub fn rewrite(self, text: &str) -> Result<Option<String>, Contradiction> {
        let Some(date) = YearLast::parse(text) else { return Ok(None) };
        match (date.day(self), date.day(self.other())) {
            (Some(day), _) => Ok(Some(format!("{day}{}", in_24_hours(date.rest)))),
            (None, Some(_)) => Err(Contradiction),
            (None, None) => Ok(None),
        }
    }
}

impl fmt::Display for DateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DateOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "dmy" => Ok(Self::DayFirst),
            "mdy" => Ok(Self::MonthFirst),
            _ => Err(format!("{text:?} is unknown: use dmy (31/12/2023) or mdy (12/31/2023)")),
        }
    }
}

/// Returns true if the text starts with a date that ends with the year and is valid in some order.
pub(super) fn is_ambiguous(text: &str) -> bool {
    YearLast::parse(text)
        .is_some_and(|date| date.day(DateOrder::DayFirst).or_else(|| date.day(DateOrder::MonthFirst)).is_some())
}

/// The parts of a text that starts with a date that ends with the year.
struct YearLast<'a> {
    first: u32,
    second: u32,
    year: i32,
    /// What follows the date: nothing, or a separator and the time.
    rest: &'a str,
}

impl<'a> YearLast<'a> {
    /// Splits `D/M/YYYY`, `D-M-YYYY` or `D.M.YYYY`, with or without a time.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let separator = text.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '/' | '-' | '.'))?;
        let mut parts = text.splitn(3, separator);
        let (first, second, rest) = (short(parts.next()?)?, short(parts.next()?)?, parts.next()?);
        let (year, rest) = rest.split_at_checked(4).filter(|(year, _)| is_number(year))?;
        let ends = rest.is_empty() || rest.starts_with([' ', 'T', ',', '\u{a0}']);
        ends.then_some(Self { first, second, year: year.parse().ok()?, rest })
    }

    fn day(&self, order: DateOrder) -> Option<NaiveDate> {
        let (day, month) = match order {
            DateOrder::DayFirst => (self.first, self.second),
            DateOrder::MonthFirst => (self.second, self.first),
        };
        NaiveDate::from_ymd_opt(self.year, month, day)
    }
}

/// Parses one or two digits.
fn short(text: &str) -> Option<u32> {
    (text.len() <= 2 && is_number(text)).then(|| text.parse().ok())?
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Rewrites the time after a date: without a comma before it, and in 24 hours if it has `AM` or `PM`.
fn in_24_hours(rest: &str) -> Cow<'_, str> {
    let time = rest.trim_start_matches([',', ' ', '\u{a0}']);
    if time.is_empty() {
        return Cow::Borrowed("");
    }
    let half = |suffix: &str| {
        let at = time.len().checked_sub(suffix.len())?;
        let (time, end) = time.split_at_checked(at)?;
        end.eq_ignore_ascii_case(suffix).then(|| time.trim_end())
    };
    let (clock, afternoon) = match (half("AM"), half("PM")) {
        (Some(clock), _) => (clock, false),
        (_, Some(clock)) => (clock, true),
        (None, None) if rest.starts_with(',') => return Cow::Owned(format!(" {time}")),
        (None, None) => return Cow::Borrowed(rest),
    };
    let hour = clock.split_once(':').and_then(|(hour, rest)| Some((short(hour)?, rest)));
    match hour.filter(|(hour, _)| (1..=12).contains(hour)) {
        Some((hour, rest)) => Cow::Owned(format!(" {:02}:{rest}", hour % 12 + if afternoon { 12 } else { 0 })),
        None => Cow::Owned(rest.to_owned()), // not a time, and rejected as such
    }
}

#[cfg(test)]
mod tests {
    use super::super::timestamp;
    use super::*;

    #[test]
    fn a_date_is_read_in_the_stated_order() {
        let cases = [
            ("31/12/2023", DateOrder::DayFirst, "2023-12-31T00:00:00Z"),
            ("05/03/2023", DateOrder::DayFirst, "2023-03-05T00:00:00Z"),
            ("05/03/2023", DateOrder::MonthFirst, "2023-05-03T00:00:00Z"),
            (" 5-3-2023 06:30 ", DateOrder::DayFirst, "2023-03-05T06:30:00Z"),
            ("05.03.2023 06:30:15.25", DateOrder::DayFirst, "2023-03-05T06:30:15.25Z"),
            ("05/03/2023, 06:30:15", DateOrder::DayFirst, "2023-03-05T06:30:15Z"),
            ("05/03/2023T06:30:15-03:00", DateOrder::DayFirst, "2023-03-05T09:30:15Z"),
            ("1/31/2023 12:00:00 AM", DateOrder::MonthFirst, "2023-01-31T00:00:00Z"),
            ("1/31/2023 12:30 pm", DateOrder::MonthFirst, "2023-01-31T12:30:00Z"),
            ("1/31/2023 1:05:00 PM", DateOrder::MonthFirst, "2023-01-31T13:05:00Z"),
            ("1/31/2023 0:00", DateOrder::MonthFirst, "2023-01-31T00:00:00Z"),
        ];
        for (text, order, expected) in cases {
            let rewritten = order.rewrite(text).unwrap().unwrap();
            let at = timestamp::parse(&rewritten).map(timestamp::as_canonical);
            assert_eq!(at.as_deref(), Some(expected), "{text} {order}: {rewritten}");
        }
    }

    #[test]
    fn a_date_that_is_valid_in_the_other_order_only_contradicts() {
        assert_eq!(DateOrder::DayFirst.rewrite("12/31/2023"), Err(Contradiction));
        assert_eq!(DateOrder::MonthFirst.rewrite("31/12/2023 06:00"), Err(Contradiction));
    }

    #[test]
    fn an_order_is_read_by_its_name() {
        for order in [DateOrder::DayFirst, DateOrder::MonthFirst] {
            assert_eq!(order.to_string().parse(), Ok(order));
            assert_ne!(order.name(), order.other().name());
        }
        assert_eq!("DMY".parse(), Ok(DateOrder::DayFirst));
        assert!("ymd".parse::<DateOrder>().unwrap_err().contains("use dmy"));
    }

    #[test]
    fn other_texts_are_left_alone() {
        for text in [
            "2023-12-31",
            "2023/12/31",
            "31/12/23",
            "31/13/2023",
            "32/12/2023",
            "31/12/20231",
            "x",
            "",
            "31/12",
            "1.5",
            "005/03/2023",
            "1/+5/2023",
            "31/12/+202",
        ] {
            assert_eq!(DateOrder::DayFirst.rewrite(text), Ok(None), "{text}");
            assert!(!is_ambiguous(text), "{text}");
        }
        for text in ["31/12/2023", "12/31/2023 10:00", "01-02-2023"] {
            assert!(is_ambiguous(text), "{text}");
        }
    }
}
