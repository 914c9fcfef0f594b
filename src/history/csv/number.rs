//! Numbers of a CSV file with decimal points or commas.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Decimal mark of the numbers of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DecimalMark {
    /// `234.941`
    #[serde(rename = ".")]
    Point,
    /// `234,941`, as written by spreadsheets in Brazil.
    #[serde(rename = ",")]
    Comma,
}

/// Returns the mark that a number shows; `None` if it shows none.
pub(super) fn shown_mark(cell: &[u8]) -> Option<DecimalMark> {
    let cell = cell.trim_ascii();
    if has_decimal_comma(cell) {
        Some(DecimalMark::Comma)
    } else if cell.contains(&b'.') && cell.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
        Some(DecimalMark::Point)
    } else {
        None
    }
}

/// Returns true for a number with a comma that cannot group digits: `9,5` and `0,123`, but not `234,941`.
pub(super) fn is_clear_comma(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    let Some(at) = cell.iter().position(|&byte| byte == b',') else { return false };
    let (whole, fraction) = (&cell[..at], &cell[at + 1..]);
    is_digits(whole) && is_digits(fraction) && (fraction.len() != 3 || whole == b"0" || whole.len() > 3)
}

fn has_decimal_comma(cell: &[u8]) -> bool {
    cell.contains(&b',') && cell.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.' | b'-'))
}

/// Returns a number without the mark with which a spreadsheet keeps it as text: `'51`, or `="51"`.
pub(super) fn without_mark(cell: &[u8]) -> &[u8] {
    let trimmed = cell.trim_ascii();
    let quoted = trimmed.strip_prefix(b"=\"").and_then(|cell| cell.strip_suffix(b"\""));
    let unmarked = quoted.or_else(|| trimmed.strip_prefix(b"'"));
    unmarked.filter(|cell| cell.first().is_some_and(u8::is_ascii_digit)).unwrap_or(cell)
}

/// Converts a number with a decimal comma to a decimal point: `1.234,5` to `1234.5`. In such a file, a single point may
/// group digits or be a mistake. Such a number keeps a marker that is visible in its rejection.
pub(super) fn with_point(cell: &[u8]) -> Cow<'_, [u8]> {
    let cell = cell.trim_ascii();
    let marked = |marker: &[u8]| Cow::Owned([cell, marker].concat());
    if !has_decimal_comma(cell) {
        let ambiguous = cell.contains(&b'.') && cell.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        return if ambiguous { marked(b" (point in a file with decimal commas)") } else { Cow::Borrowed(cell) };
    }
    let (sign, digits) = cell.strip_prefix(b"-").map_or((&b""[..], cell), |digits| (b"-", digits));
    let mut parts = digits.split(|&byte| byte == b',');
    let (whole, fraction) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if parts.next().is_some() || !is_digits(fraction) || !(is_digits(whole) || is_grouped(whole)) {
        return marked(b" (in a file with decimal commas)");
    }
    let whole: Vec<u8> = whole.iter().copied().filter(|&byte| byte != b'.').collect();
    Cow::Owned([sign, &whole, b".", fraction].concat())
}

/// Returns true for digits in groups of three, separated by points: `1.234`.
fn is_grouped(digits: &[u8]) -> bool {
    let mut groups = digits.split(|&byte| byte == b'.');
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len()) && is_digits(first) && groups.all(|group| group.len() == 3 && is_digits(group))
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_decimal_comma_gets_a_point_and_an_ambiguous_one_stays_invalid() {
        let cases = [
            ("234,941", "234.941"),
            ("1.234,5", "1234.5"),
            ("12.345.678,9", "12345678.9"),
            ("51", "51"),
            (" 9,0 ", "9.0"),
            ("-1,5", "-1.5"),
            ("n/d", "n/d"),
        ];
        for (cell, expected) in cases {
            assert_eq!(&*with_point(cell.as_bytes()), expected.as_bytes(), "{cell}");
        }
        for cell in ["360.341", "1,234.5", "1,234,5", "12.34,5", ",5", "5,", "1.2345,6"] {
            let converted = with_point(cell.as_bytes());
            assert!(converted.ends_with(b"decimal commas)"), "{cell}");
        }
    }

    #[test]
    fn a_comma_is_clear_only_if_it_cannot_group_digits() {
        for (cell, clear) in
            [("9,5", true), ("0,123", true), ("1234,567", true), ("234,941", false), ("9.5", false), ("9", false)]
        {
            assert_eq!(is_clear_comma(cell.as_bytes()), clear, "{cell}");
        }
    }

    #[test]
    fn marks_of_spreadsheets_are_removed() {
        for (cell, expected) in [("'51", "51"), ("=\"51\"", "51"), ("51", "51"), ("'a", "'a"), ("=51", "=51")] {
            assert_eq!(without_mark(cell.as_bytes()), expected.as_bytes(), "{cell}");
        }
    }
}
