//! Dates in forms that only files have, and that can be read in one way: without separators (`20230101`), and with the name of
//! the month (`01/jan/2023`, `1 de janeiro de 2023`, `Jan 1, 2023`).
//!
//! They are rewritten, so that a message has a date as farms publish it. [`advice`] explains forms that are not read.

use chrono::{Datelike, NaiveDate};
use pipeline::record::{DateOrder, timestamp};

/// First year of a date; a smaller number is a date that ends with the year.
const FIRST_YEAR: i32 = 1970;

/// Names of the months in Portuguese, English and Spanish, each with its abbreviations.
const MONTHS: [&[&str]; 12] = [
    &["jan", "janeiro", "january", "ene", "enero"],
    &["fev", "fevereiro", "feb", "february", "febrero"],
    &["mar", "março", "marco", "march", "marzo"],
    &["abr", "abril", "apr", "april"],
    &["mai", "maio", "may", "mayo"],
    &["jun", "junho", "june", "junio"],
    &["jul", "julho", "july", "julio"],
    &["ago", "agosto", "aug", "august"],
    &["set", "setembro", "sep", "sept", "september", "septiembre", "setiembre"],
    &["out", "outubro", "oct", "october", "octubre"],
    &["nov", "novembro", "november", "noviembre"],
    &["dez", "dezembro", "dec", "december", "dic", "diciembre"],
];

/// Serial numbers of days in spreadsheets, about 1954 to 2064.
const SERIAL_DAYS: std::ops::Range<f64> = 20_000.0..60_000.0;

/// Returns the date in the form `YYYY-MM-DD`, with its time; `None` if the text has none of the forms of this module.
pub(super) fn rewrite(text: &str) -> Option<String> {
    let text = text.trim();
    if timestamp::parse(text).is_some() {
        return None; // ISO 8601 without separators, which every message may have
    }
    let rewritten = compact(text).or_else(|| with_month_name(text))?;
    timestamp::parse(&rewritten).map(|_| rewritten)
}

/// Rewrites `YYYYMMDD`, `YYYYMMDD HHMM`, `YYYYMMDD HH:MM:SS` and `YYYYMMDDHHMMSS`.
///
/// A date such as `31122023` is not mistaken for one of these: its first four digits are no year, or the next two no month.
fn compact(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(8).filter(|(date, _)| is_digits(date))?;
    let date = NaiveDate::parse_from_str(date, "%Y%m%d").ok().filter(|date| date.year() >= FIRST_YEAR)?;
    let time = rest.strip_prefix(['T', ' ']);
    let (digits, is_separate) = (time.unwrap_or(rest), time.is_some());
    if rest.is_empty() {
        return Some(date.to_string());
    }
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (clock, more) = digits.split_at(end);
    match (clock.len(), is_separate) {
        (6, _) => Some(format!("{date} {}:{}:{}{more}", &clock[..2], &clock[2..4], &clock[4..])),
        (4, true) => Some(format!("{date} {}:{}{more}", &clock[..2], &clock[2..])),
        (1 | 2, true) => Some(format!("{date} {digits}")),
        _ => None,
    }
}

/// Rewrites a date with the name of its month and a year of four digits.
fn with_month_name(text: &str) -> Option<String> {
    let (first, rest) = word(text)?;
    let (second, rest) = word(rest)?;
    let (day, month) = match month(first) {
        Some(month) => (second, month),
        None => (first, month(second)?),
    };
    let day = day.trim_end_matches(char::is_alphabetic); // 1st, 2nd
    let year = rest.get(..4).filter(|year| is_digits(year))?;
    let time = rest[4..].strip_prefix(':').map_or_else(|| rest[4..].to_owned(), |time| format!(" {time}"));
    DateOrder::DayFirst.rewrite(&format!("{day}/{month}/{year}{time}")).ok()?
}

/// Splits off the first word of a date, with the separators after it: points, hyphens, slashes, commas, spaces and `de`.
fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_alphanumeric())?;
    let (word, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(['.', ' ', ',', '/', '-', '\u{a0}']);
    let rest = ["de ", "del ", "of "].iter().find_map(|of| strip_ignoring_case(rest, of)).unwrap_or(rest);
    (!word.is_empty()).then_some((word, rest))
}

fn strip_ignoring_case<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(begin.len())?;
    start.eq_ignore_ascii_case(begin).then_some(rest)
}

/// Returns the number of a month by its name.
fn month(name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    MONTHS.iter().zip(1..).find_map(|(names, number)| names.contains(&&*name).then_some(number))
}

/// Returns what to do about a text that is not read as a time; `None` if its form is not known.
pub(super) fn advice(text: &str) -> Option<&'static str> {
    let text = text.trim_matches(['"', ' ']);
    if text.parse().is_ok_and(|days: f64| SERIAL_DAYS.contains(&days)) {
        return Some("is it the serial number of a spreadsheet? format the column as YYYY-MM-DD");
    }
    if let Ok(since) = text.parse::<f64>() {
        // Until the year 2286, and from 2001 on.
        return match since {
            1e9..1e10 => Some("is it in seconds since 1970? write it as 2023-01-31T00:00:00Z"),
            1e12..1e13 => Some("is it in milliseconds since 1970? write it as 2023-01-31T00:00:00Z"),
            1e15..1e16 => Some("is it in microseconds since 1970? write it as 2023-01-31T00:00:00Z"),
            1e18..1e19 => Some("is it in nanoseconds since 1970? write it as 2023-01-31T00:00:00Z"),
            _ => None,
        };
    }
    let date = text.split([' ', 'T', ',']).next().unwrap_or_default();
    let parts: Vec<&str> = date.split(['/', '-', '.']).collect();
    match parts[..] {
        [year, week] | [year, week, _] if year.len() == 4 && is_digits(year) && week.starts_with(['W', 'w']) => {
            Some("it is the date of a week: write YYYY-MM-DD")
        }
        [year, day] if year.len() == 4 && day.len() == 3 && is_digits(year) && is_digits(day) => {
            Some("it is the number of a day in a year: write YYYY-MM-DD")
        }
        [first, middle, year] if year.len() == 2 && is_digits(year) && first.len() <= 2 && is_digits(first) => {
            (is_digits(middle) || month(middle).is_some()).then_some("its year has two digits: write YYYY-MM-DD")
        }
        _ => None,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_can_be_read_in_one_way_are_rewritten() {
        for (text, expected) in [
            ("20230105", "2023-01-05"),
            ("20230105 0630", "2023-01-05 06:30"),
            ("20230105T0630Z", "2023-01-05 06:30Z"),
            ("20230105063015", "2023-01-05 06:30:15"),
            ("20230105 06:30:15 -0300", "2023-01-05 06:30:15 -0300"),
            ("20230105 6:30", "2023-01-05 6:30"),
            ("01/jan/2023", "2023-01-01"),
            ("1-Jan-2023", "2023-01-01"),
            ("01-FEB-2023 06:30:00", "2023-02-01 06:30:00"),
            ("5 de março de 2023", "2023-03-05"),
            ("5 de Março de 2023 06:30", "2023-03-05 06:30"),
            ("05 dez. 2023", "2023-12-05"),
            ("Jan 5, 2023", "2023-01-05"),
            ("September 1st, 2023 6:30 PM", "2023-09-01 18:30"),
            ("05/Jan/2023:06:30:00 +0000", "2023-01-05 06:30:00 +0000"),
            ("5 de enero del 2023", "2023-01-05"),
        ] {
            assert_eq!(rewrite(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn every_other_text_is_left_alone() {
        for text in [
            "2023-01-05",
            "20230105T063015",
            "20231305",
            "31122023",
            "12312023",
            "20122023",
            "202301050630",
            "2023010",
            "1672531200",
            "1672531200000",
            "44927",
            "05/03/2023",
            "01/jan/23",
            "31/fev/2023",
            "2023-W01-1",
            "1 de brumário de 2023",
            "jan/2023",
            "março",
            "",
            "é2023010",
        ] {
            assert_eq!(rewrite(text), None, "{text}");
        }
    }

    #[test]
    fn forms_that_are_not_read_are_explained() {
        for (text, word) in [
            ("44927", "serial number"),
            ("44927.5", "serial number"),
            ("1672531200", "in seconds"),
            ("\"1672531200\"", "in seconds"),
            ("1672531200.25", "in seconds"),
            ("1672531200000", "milliseconds"),
            ("1.6725312E12", "milliseconds"),
            ("1672531200000000", "microseconds"),
            ("1672531200000000000", "nanoseconds"),
            ("2023-W01", "week"),
            ("2023-W01-7", "week"),
            ("2023-032", "day in a year"),
            ("31/12/23", "two digits"),
            ("31-12-23 06:30", "two digits"),
            ("01-JAN-23", "two digits"),
        ] {
            assert!(advice(text).is_some_and(|advice| advice.contains(word)), "{text}: {:?}", advice(text));
        }
        for text in ["yesterday", "2023-02-30", "51", "", "12.5", "1.2.3", "2023-01"] {
            assert_eq!(advice(text), None, "{text}");
        }
    }
}
