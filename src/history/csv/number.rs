//! Numbers of a CSV file with decimal points or commas.

use std::borrow::Cow;

use super::super::decimal_mark::DecimalMark;

/// Evidence of a number with points or commas about the decimal mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// This is the decimal mark: `9.5`, `0.123`, `1.234,5`.
    Clear(DecimalMark),
    /// This mark may group digits, or be the decimal mark: `1.234`.
    MayGroup(DecimalMark),
}

impl Form {
    /// Returns the form of a number; `None` if it has neither points nor commas, or is not a number.
    pub(in super::super) fn of(cell: &[u8]) -> Option<Self> {
        let cell = without_mark(cell).trim_ascii();
        let digits = cell.strip_prefix(b"-").unwrap_or(cell);
        let last = digits.iter().rposition(|byte| !byte.is_ascii_digit())?;
        let mark = [DecimalMark::Point, DecimalMark::Comma].into_iter().find(|mark| mark.byte() == digits[last])?;
        let (whole, fraction) = (&digits[..last], &digits[last + 1..]);
        if !is_digits(fraction) || !(is_digits(whole) || is_grouped(whole, mark) || is_grouped(whole, mark.other())) {
            return None;
        }
        let may_group = fraction.len() == 3 && !whole.starts_with(b"0") && is_grouped(whole, mark);
        let is_repeated = whole.contains(&mark.byte());
        match () {
            () if may_group => Some(Self::MayGroup(mark)),
            () if is_repeated => None,
            () => Some(Self::Clear(mark)),
        }
    }
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

/// Returns true for a number with a comma that cannot group digits: `9,5`, `0,123` and `1.234,5`, but not `234,941`.
pub(super) fn is_clear_comma(cell: &[u8]) -> bool {
    Form::of(cell) == Some(Form::Clear(DecimalMark::Comma))
}

/// Maximum number of decimals of a number in scientific notation that shows that a spreadsheet rounded it.
const ROUNDED_DECIMALS: usize = 2;

/// Returns true for scientific notation as a spreadsheet shows it: `2.35E+02`, which may be 234.941. Other programs write all
/// digits, and most of them a small `e` or no plus sign.
pub(super) fn is_rounded(cell: &[u8]) -> bool {
    let cell = without_mark(cell).trim_ascii();
    let Some(at) = cell.iter().position(|byte| *byte == b'E') else { return false };
    let (mantissa, exponent) = (cell[..at].strip_prefix(b"-").unwrap_or(&cell[..at]), &cell[at + 1..]);
    let [b'+' | b'-', digits @ ..] = exponent else { return false };
    let [first, decimals @ ..] = mantissa else { return false };
    let decimals = match decimals {
        [] => decimals,
        [b'.' | b',', rest @ ..] => rest,
        _ => return false,
    };
    let is_short = decimals.is_empty() || is_digits(decimals) && decimals.len() <= ROUNDED_DECIMALS;
    first.is_ascii_digit() && is_short && digits.len() >= 2 && is_digits(digits)
}

/// Converts a number to one with a decimal point and without grouped digits, by a stated decimal mark: with a comma,
/// `1.234` and `1.234,0` are 1234.
///
/// # Errors
/// Returns an error if the number shows the other decimal mark.
pub(super) fn by_stated_mark(cell: &[u8], mark: DecimalMark) -> Result<Cow<'_, [u8]>, DecimalMark> {
    let form = Form::of(cell);
    if form == Some(Form::Clear(mark.other())) {
        return Err(mark.other());
    }
    if form.is_none() {
        return Ok(Cow::Borrowed(cell)); // without a mark, or not a number, which rejects it
    }
    let plain = cell.trim_ascii().iter().filter(|byte| **byte != mark.other().byte());
    Ok(Cow::Owned(plain.map(|byte| if *byte == mark.byte() { b'.' } else { *byte }).collect()))
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
    let is_whole = is_digits(whole) || is_grouped(whole, DecimalMark::Point);
    if parts.next().is_some() || !is_digits(fraction) || !is_whole {
        return marked(b" (in a file with decimal commas)");
    }
    let whole: Vec<u8> = whole.iter().copied().filter(|&byte| byte != b'.').collect();
    Cow::Owned([sign, &whole, b".", fraction].concat())
}

/// Returns true for digits in groups of three, separated by this mark: `1.234`, and also `234` alone.
fn is_grouped(digits: &[u8], mark: DecimalMark) -> bool {
    let mut groups = digits.split(|&byte| byte == mark.byte());
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
        for (cell, clear) in [
            ("9,5", true),
            ("0,123", true),
            ("1234,567", true),
            ("1.234,5", true),
            ("1.234,567", true),
            ("234,941", false),
            ("9.5", false),
            ("9", false),
        ] {
            assert_eq!(is_clear_comma(cell.as_bytes()), clear, "{cell}");
        }
    }

    #[test]
    fn a_number_shows_its_mark_or_may_be_grouped() {
        use DecimalMark::{Comma, Point};
        for (cell, form) in [
            ("9.5", Some(Form::Clear(Point))),
            ("-9,5", Some(Form::Clear(Comma))),
            ("0.123", Some(Form::Clear(Point))),
            ("1234.567", Some(Form::Clear(Point))),
            ("1,234.5", Some(Form::Clear(Point))),
            ("1,234,567.891", Some(Form::Clear(Point))),
            ("1.234,567", Some(Form::Clear(Comma))),
            ("1.234", Some(Form::MayGroup(Point))),
            (" 234,941 ", Some(Form::MayGroup(Comma))),
            ("1.234.567", Some(Form::MayGroup(Point))),
            ("987", None),
            ("1.2.3", None),
            ("1.234.56", None),
            (".5", None),
            ("5.", None),
            ("n/d", None),
            ("1e5", None),
            ("", None),
        ] {
            assert_eq!(Form::of(cell.as_bytes()), form, "{cell}");
        }
    }

    #[test]
    fn a_stated_mark_decides_every_number() {
        use DecimalMark::{Comma, Point};
        let of = |cell: &str, mark| {
            by_stated_mark(cell.as_bytes(), mark).map(|cell| String::from_utf8(cell.into_owned()).unwrap())
        };
        for (cell, mark, expected) in [
            ("1.234", Comma, "1234"),
            ("1.234,5", Comma, "1234.5"),
            ("9,076", Comma, "9.076"),
            ("987", Comma, "987"),
            ("1.234", Point, "1.234"),
            ("1,234", Point, "1234"),
            ("-1,234.5", Point, "-1234.5"),
            ("n/d", Comma, "n/d"),
            ("1.2.3", Comma, "1.2.3"),
        ] {
            assert_eq!(of(cell, mark).as_deref(), Ok(expected), "{cell} {mark}");
        }
        assert_eq!((of("9.5", Comma), of("9,5", Point)), (Err(Point), Err(Comma)));
    }

    #[test]
    fn scientific_notation_of_a_spreadsheet_is_recognized() {
        for cell in ["2.35E+02", "2,35E+02", "2E+02", "-1.5E-03", " 2.3E+02 ", "2.E+02"] {
            assert!(is_rounded(cell.as_bytes()), "{cell}");
        }
        for cell in ["2.34941E+02", "2.34941E2", "2.35e+02", "235", "2.35E2", "23.5E+01", "E+02", "2.35E+2", "2.35", ""]
        {
            assert!(!is_rounded(cell.as_bytes()), "{cell}");
        }
    }

    #[test]
    fn marks_of_spreadsheets_are_removed() {
        for (cell, expected) in [("'51", "51"), ("=\"51\"", "51"), ("51", "51"), ("'a", "'a"), ("=51", "=51")] {
            assert_eq!(without_mark(cell.as_bytes()), expected.as_bytes(), "{cell}");
        }
    }
}
