//! Rewrites the time of a message whose date ends with the year, by a stated order of day and month; and the reason why
//! such a message is invalid without one.

use bytes::Bytes;
use pipeline::record::{Contradiction, DateOrder, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cause::Cause;

/// The field of a message that is rewritten.
#[derive(Deserialize)]
struct WithTime<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Returns the message with an unambiguous date; everything else is unchanged. `None` if it has no date to rewrite.
///
/// # Errors
/// Returns an error if the date is valid in the other order only: then the stated order is wrong for the file.
pub(super) fn rewrite(message: &Bytes, order: DateOrder, line: u64) -> Result<Option<Bytes>, Cause> {
    let Ok(WithTime { data }) = serde_json::from_slice(message) else { return Ok(None) };
    let Ok(text) = serde_json::from_str::<String>(data.get()) else { return Ok(None) };
    let rewritten = order.rewrite(&text).map_err(|Contradiction| {
        Cause::Rejected(format!(
            "line {line} has the date {}, which is not {order}: is it --date-order {}?",
            text.trim(),
            order.other()
        ))
    })?;
    let Some(rewritten) = rewritten else { return Ok(None) };
    // The value is a part of the message, so the difference of their addresses is its position.
    let begin = data.get().as_ptr().addr() - message.as_ptr().addr();
    let end = begin + data.get().len();
    let value = serde_json::Value::from(rewritten).to_string();
    Ok(Some([&message[..begin], value.as_bytes(), &message[end..]].concat().into()))
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

    fn rewritten(message: &str, order: DateOrder) -> Result<Option<String>, String> {
        let done = rewrite(&Bytes::copy_from_slice(message.as_bytes()), order, 7);
        done.map(|message| message.map(|message| String::from_utf8(message.to_vec()).unwrap()))
            .map_err(|e| e.to_string())
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
    fn a_date_of_the_other_order_rejects_the_file() {
        let why = rewritten(r#"{"data":"12/31/2023"}"#, DateOrder::DayFirst).unwrap_err();
        assert_eq!(why, "line 7 has the date 12/31/2023, which is not dmy: is it --date-order mdy?");
    }
}
