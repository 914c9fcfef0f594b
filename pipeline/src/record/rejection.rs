//! Reasons why a message is not a valid reading, or an object not a valid record.

use chrono::NaiveDate;

use super::Column;

/// Reason why a message or object was rejected. The message names the field and the value found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant documents it and its fields")]
pub enum Rejection {
    #[error("message of {bytes} bytes is over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("not UTF-8 text (first bad byte at offset {offset})")]
    NotUtf8 { offset: usize },
    #[error("cannot be decompressed: {why}")]
    Damaged { why: String },
    #[error("decompresses to more than {limit} bytes, so it contains no record")]
    ExpandsTooFar { limit: usize },
    #[error("not JSON: {why}")]
    NotJson { why: String },
    #[error("not a JSON object but {found}")]
    NotObject { found: &'static str },
    #[error("field {field} is missing")]
    Missing { field: Column },
    #[error("field {field} is null")]
    Null { field: Column },
    #[error("field {field} is empty")]
    Empty { field: Column },
    #[error("field {field} has a placeholder and no value: {found}")]
    Placeholder { field: Column, found: String },
    #[error("field {field} is the label of a total, which is no reading: {found}")]
    Total { field: Column, found: String },
    #[error("field {field} was turned into a date by a spreadsheet: {found}; export the column as text")]
    DateAsId { field: Column, found: String },
    #[error("field {field} has control or invisible characters: {found}")]
    Hidden { field: Column, found: String },
    #[error("field {field} appears more than once")]
    Repeated { field: Column },
    #[error("field {field} is not text or an integer: {found}")]
    NotText { field: Column, found: String },
    #[error("field {field} lost digits in a spreadsheet: {found}; export the column as text")]
    LostDigits { field: Column, found: String },
    #[error("field {field} may have grouped digits or a fraction: {found}; export the column as text")]
    GroupedDigits { field: Column, found: String },
    #[error("field {field} has quotes, or digits of another script: {found}; write the digits 0 to 9 alone")]
    Digitlike { field: Column, found: String },
    #[error("field {field} is damaged text: {found}; {why}")]
    Garbled { field: Column, found: String, why: &'static str },
    #[error("field {field} is not a number: {found}")]
    NotNumber { field: Column, found: String },
    #[error("field {field} is not a finite number: {found}")]
    NotFinite { field: Column, found: String },
    #[error("field {field} is not a whole number: {found}")]
    NotWhole { field: Column, found: String },
    #[error("field {field} is negative: {found}")]
    Negative { field: Column, found: String },
    #[error("field {field} is larger than its column holds: {found}")]
    TooBig { field: Column, found: String },
    #[error("field {field} has {chars} characters, its column holds {limit}")]
    TooLong { field: Column, chars: usize, limit: usize },
    #[error("field {field} {}: {found}", not_a_time(found))]
    NotTime { field: Column, found: String },
    #[error("field {field} has a date whose order of day and month is unknown: {found}; write YYYY-MM-DD")]
    AmbiguousDate { field: Column, found: String },
    #[error("field {field} is outside 1970 to 9999: {found}")]
    TimeOutOfRange { field: Column, found: String },
    #[error("field cod_cliente is not usable as a folder name: {why}: {found}")]
    InvalidFarm { why: &'static str, found: String },
    #[error(
        "field id_treated_data is {stated}, and the id of these values is {computed}: an export of the warehouse has lost digits, or the values were changed; use replay, or remove the field to store a new record"
    )]
    OtherId { stated: String, computed: String },
    #[error("key {key} is already taken: {why}")]
    KeyTaken { key: String, why: String },
}

impl Rejection {
    /// Returns the invalid field; `None` if the rejection does not concern a single field.
    pub fn field(&self) -> Option<Column> {
        match self {
            Self::Missing { field }
            | Self::Null { field }
            | Self::Empty { field }
            | Self::Placeholder { field, .. }
            | Self::Total { field, .. }
            | Self::DateAsId { field, .. }
            | Self::Hidden { field, .. }
            | Self::Repeated { field }
            | Self::NotText { field, .. }
            | Self::LostDigits { field, .. }
            | Self::GroupedDigits { field, .. }
            | Self::Digitlike { field, .. }
            | Self::Garbled { field, .. }
            | Self::NotNumber { field, .. }
            | Self::NotFinite { field, .. }
            | Self::NotWhole { field, .. }
            | Self::Negative { field, .. }
            | Self::TooBig { field, .. }
            | Self::TooLong { field, .. }
            | Self::NotTime { field, .. }
            | Self::AmbiguousDate { field, .. }
            | Self::TimeOutOfRange { field, .. } => Some(*field),
            Self::InvalidFarm { .. } => Some(Column::CodCliente),
            Self::OtherId { .. } => Some(Column::IdTreatedData),
            Self::TooLarge { .. }
            | Self::NotUtf8 { .. }
            | Self::Damaged { .. }
            | Self::ExpandsTooFar { .. }
            | Self::NotJson { .. }
            | Self::NotObject { .. }
            | Self::KeyTaken { .. } => None,
        }
    }

    /// Returns true if the bytes are not JSON, as opposed to JSON that is not a valid record.
    ///
    /// The outcome of a run counts the first as `unreadable` and the second as `rejected`.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::NotUtf8 { .. } | Self::NotJson { .. } | Self::Damaged { .. })
    }
}

/// Returns why a text is not a time: its form, or a day that the calendar does not have.
fn not_a_time(text: &str) -> &'static str {
    match text.trim().get(..10).map(is_impossible_day) {
        Some(true) => "has a date that does not exist",
        _ => "is not a time (YYYY-MM-DD HH:MM:SS UTC or RFC 3339)",
    }
}

/// Returns true if a text has the form of a date, such as `2026-02-30`, and is not in the calendar.
pub fn is_impossible_day(text: &str) -> bool {
    let is_date = text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    is_date && text.parse::<NaiveDate>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_does_not_exist_is_not_called_a_wrong_form() {
        let message = |found: &str| Rejection::NotTime { field: Column::Data, found: found.into() }.to_string();
        assert_eq!(
            message("2026-02-30 00:00:00 UTC"),
            "field data has a date that does not exist: 2026-02-30 00:00:00 UTC"
        );
        assert!(message("yesterday").starts_with("field data is not a time (YYYY"));
        assert!(message("2026-02-28 25:00:00 UTC").starts_with("field data is not a time (YYYY"));
        assert!(["2026-13-01", "2025-02-29"].into_iter().all(is_impossible_day));
        assert!(
            !["2026-12-01", "2024-02-29", "26-02-30", "", "é026-02-30", "1672531200"]
                .into_iter()
                .any(is_impossible_day)
        );
    }
}
