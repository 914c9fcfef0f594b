//! Rewrites the time of a message: a date that ends with the year, by a stated order of day and month, and dates in the forms
//! of [`date_forms`]. Also the reason why a message with a time is invalid.

use bytes::Bytes;
use pipeline::record::{Contradiction, DateOrder, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cause::Cause;
use super::date_forms;

/// The field of a message that is rewritten.
#[derive(Deserialize)]
struct WithTime<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A message with a date as farms publish it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub message: Bytes,
    /// Whether the stated order of day and month was used.
    pub by_order: bool,
}

/// Returns the message with an unambiguous date; everything else is unchanged. `None` if it has no date to rewrite.
///
/// # Errors
/// Returns an error if the date is valid in the other order only: then the stated order is wrong for the file.
pub(super) fn rewrite(message: &Bytes, order: Option<DateOrder>, line: u64) -> Result<Option<Rewritten>, Cause> {
    if order.is_none() && is_usual(message) {
        return Ok(None);
    }
    let Ok(WithTime { data }) = serde_json::from_slice(message) else { return Ok(None) };
    let raw = data.get();
    let text = match serde_json::from_str::<String>(raw) {
        Ok(text) => text,
        Err(_) if raw.bytes().all(|b| b.is_ascii_digit()) => raw.to_owned(), // 20230101 as a number
        Err(_) => return Ok(None),
    };
    let by_order = match order.map(|order| (order, order.rewrite(&text))) {
        Some((order, Err(Contradiction))) => {
            return Err(Cause::Rejected(format!(
                "line {line} has the date {}, which is not {order}: is it --date-order {}?",
                text.trim(),
                order.other()
            )));
        }
        Some((_, Ok(rewritten))) => rewritten,
        None => None,
    };
    let is_by_order = by_order.is_some();
    let Some(rewritten) = by_order.or_else(|| date_forms::rewrite(&text)) else { return Ok(None) };
    // The value is a part of the message, so the difference of their addresses is its position.
    let begin = raw.as_ptr().addr() - message.as_ptr().addr();
    let end = begin + raw.len();
    let value = serde_json::Value::from(rewritten).to_string();
    let message = [&message[..begin], value.as_bytes(), &message[end..]].concat().into();
    Ok(Some(Rewritten { message, by_order: is_by_order }))
}

/// Returns true if the only `data` of a message begins with a date as farms publish it, which most messages have. A cheap
/// check before the message is parsed.
fn is_usual(message: &[u8]) -> bool {
    let has = |text: &[u8]| memchr::memmem::find(message, text).is_some();
    // Escaped letters (`\u0061`) may be in a name, which is then `data` too.
    if memchr::memchr(b'\\', message).is_some() && (has(b"\\u006") || has(b"\\u007")) {
        return false;
    }
    let mut found = memchr::memmem::find_iter(message, b"\"data\"");
    let Some(at) = found.next() else { return true };
    if found.next().is_some() {
        return false;
    }
    let value = message[at + 6..].trim_ascii_start();
    let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
    let is_part = |(at, byte): (usize, &u8)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() };
    let date = value.strip_prefix(b"\"").and_then(|text| text.get(..10));
    date.is_some_and(|date| date.iter().enumerate().all(is_part))
}

/// Returns why a message of a file is invalid, with the flag of the commands that read files if it helps.
pub fn invalid_reason(why: &Rejection) -> String {
    match why {
        Rejection::AmbiguousDate { .. } => format!("{why}, or pass --date-order dmy or --date-order mdy"),
        _ => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use pipeline::record::Column;

    use super::*;

    #[test]
    fn only_an_ambiguous_date_names_the_flag() {
        let (field, found) = (Column::Data, "05/03/2023".to_owned());
        let reason = invalid_reason(&Rejection::AmbiguousDate { field, found: found.clone() });
        assert!(
            reason.ends_with("05/03/2023; write YYYY-MM-DD, or pass --date-order dmy or --date-order mdy"),
            "{reason}"
        );
        assert!(!invalid_reason(&Rejection::NotTime { field, found }).contains("--date-order"));
    }

    fn rewritten(message: &str, order: impl Into<Option<DateOrder>>) -> Result<Option<String>, String> {
        let done = rewrite(&Bytes::copy_from_slice(message.as_bytes()), order.into(), 7);
        done.map(|done| done.map(|done| String::from_utf8(done.message.to_vec()).unwrap())).map_err(|e| e.to_string())
    }

    #[test]
    fn a_date_that_can_be_read_in_one_way_needs_no_order() {
        let with = |data: &str| format!(r#"{{"a":1.50,"data" : {data},"b":2}}"#);
        for data in ["20230105", "\"20230105\"", "\"05/jan/2023\"", "\"5 de janeiro de 2023\""] {
            for order in [None, Some(DateOrder::MonthFirst)] {
                assert_eq!(rewritten(&with(data), order), Ok(Some(with("\"2023-01-05\""))), "{data}");
            }
        }
        let usual = with("\"2023-01-05 00:00:00 UTC\"");
        assert!(is_usual(usual.as_bytes()) && is_usual(b"{}"));
        for data in
            ["\"2023-01-05 00:00:00 UTC\"", "44927", "1672531200", "\"05/03/2023\"", "null", "true", "\"\"", "-1"]
        {
            assert_eq!(rewritten(&with(data), None), Ok(None), "{data}");
        }
        let by = |order| {
            let message = Bytes::copy_from_slice(with("\"05/03/2023\"").as_bytes());
            rewrite(&message, order, 1).unwrap().is_some_and(|done| done.by_order)
        };
        assert!(by(Some(DateOrder::DayFirst)) && !by(None));
    }

    #[test]
    fn only_the_date_changes() {
        let message = r#"{"a":1.50,"data" : "05\/03\/2023 06:30","b":[{"data":"05/03/2023"}]}"#;
        let expected = r#"{"a":1.50,"data" : "2023-03-05 06:30","b":[{"data":"05/03/2023"}]}"#;
        assert_eq!(rewritten(message, DateOrder::DayFirst).unwrap().unwrap(), expected);
        for other in [r#"{"data":"2023-03-05"}"#, r#"{"data":7}"#, r#"{"a":1}"#, "what?", r#"{"data":"x"}"#] {
            assert_eq!(rewritten(other, DateOrder::DayFirst), Ok(None), "{other}");
        }
    }

    #[test]
    fn the_date_of_another_object_or_an_escaped_name_does_not_hide_the_date() {
        for (message, expected) in [
            (r#"{"m":{"data":"2024-01-01"},"data":20230101}"#, r#"{"m":{"data":"2024-01-01"},"data":"2023-01-01"}"#),
            (r#"{"d\u0061ta":20230101}"#, r#"{"d\u0061ta":"2023-01-01"}"#),
            (
                r#"{"m":{"data":"2024-01-01"},"\u0064ata":20230101}"#,
                r#"{"m":{"data":"2024-01-01"},"\u0064ata":"2023-01-01"}"#,
            ),
        ] {
            assert_eq!(rewritten(message, None), Ok(Some(expected.to_owned())), "{message}");
        }
    }

    #[test]
    fn a_date_of_the_other_order_rejects_the_file() {
        let why = rewritten(r#"{"data":"12/31/2023"}"#, DateOrder::DayFirst).unwrap_err();
        assert_eq!(why, "line 7 has the date 12/31/2023, which is not dmy: is it --date-order mdy?");
    }
}
