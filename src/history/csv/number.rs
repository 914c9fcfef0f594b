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
        let cell = plain(cell);
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

    /// Returns the mark of the number, and whether it is the decimal mark of its file.
    pub(super) fn shows(self, delimiter: u8) -> (DecimalMark, bool) {
        match self {
            Self::Clear(mark) => (mark, true),
            // Semicolons are used as delimiters because commas are decimal marks.
            Self::MayGroup(mark) => (mark, mark == DecimalMark::Comma && delimiter == b';'),
        }
    }
}

/// Returns a number without what is no part of it: white space of any kind, a plus sign, and the mark with which a
/// spreadsheet keeps it as text (`'51`, or `="51"`).
pub(in super::super) fn plain(cell: &[u8]) -> &[u8] {
    let trimmed = trim(cell);
    let quoted = trimmed.strip_prefix(b"=\"").and_then(|cell| cell.strip_suffix(b"\""));
    let unmarked = quoted.or_else(|| trimmed.strip_prefix(b"'")).map(trim);
    let number = unmarked.filter(|cell| starts_with_digit(without_plus(cell))).unwrap_or(trimmed);
    let unsigned = without_plus(number);
    if starts_with_digit(unsigned) { unsigned } else { number }
}

fn without_plus(cell: &[u8]) -> &[u8] {
    cell.strip_prefix(b"+").unwrap_or(cell)
}

fn starts_with_digit(cell: &[u8]) -> bool {
    cell.first().is_some_and(u8::is_ascii_digit)
}

/// Removes the white space around a number, as the parser of numbers does.
fn trim(cell: &[u8]) -> &[u8] {
    std::str::from_utf8(cell).map_or_else(|_| cell.trim_ascii(), |text| text.trim().as_bytes())
}

/// Maximum number of decimals of a number in scientific notation that shows that a spreadsheet rounded it.
const ROUNDED_DECIMALS: usize = 2;

/// Returns true for scientific notation as a spreadsheet shows it: `2.35E+02`, which may be 234.941. Other programs write all
/// digits, and most of them a small `e` or no plus sign.
pub(super) fn is_rounded(cell: &[u8]) -> bool {
    let cell = plain(cell);
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
    let (cell, form) = (plain(cell), Form::of(cell));
    if form == Some(Form::Clear(mark.other())) {
        return Err(mark.other());
    }
    if form.is_none() {
        return Ok(Cow::Borrowed(cell)); // without a mark, or not a number, which rejects it
    }
    let ungrouped = cell.iter().filter(|byte| **byte != mark.other().byte());
    Ok(Cow::Owned(ungrouped.map(|byte| if *byte == mark.byte() { b'.' } else { *byte }).collect()))
}

fn has_decimal_comma(cell: &[u8]) -> bool {
    cell.contains(&b',') && cell.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.' | b'-'))
}

/// Converts a number with a decimal comma to a decimal point: `1.234,5` to `1234.5`. In such a file, a single point may
/// group digits or be a mistake. Such a number keeps a marker that is visible in its rejection.
pub(super) fn with_point(cell: &[u8]) -> Cow<'_, [u8]> {
    let cell = plain(cell);
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
    fn what_is_no_part_of_a_number_does_not_hide_its_marks() {
        for (cell, expected) in [
            ("'51", "51"),
            ("=\"51\"", "51"),
            ("51", "51"),
            ("'a", "'a"),
            ("=51", "=51"),
            ("+1.234", "1.234"),
            (" '+51 ", "51"),
            ("1.234\u{a0}", "1.234"),
            ("\u{202f}-51", "-51"),
            ("+-51", "+-51"),
        ] {
            assert_eq!(plain(cell.as_bytes()), expected.as_bytes(), "{cell}");
        }
        for cell in ["+1.234", "1.234\u{a0}", "'1.234"] {
            assert_eq!(Form::of(cell.as_bytes()), Some(Form::MayGroup(DecimalMark::Point)), "{cell}");
            assert_eq!(by_stated_mark(cell.as_bytes(), DecimalMark::Comma).as_deref(), Ok(&b"1234"[..]), "{cell}");
            assert!(with_point(cell.as_bytes()).ends_with(b"decimal commas)"), "{cell}");
        }
        assert_eq!(&*with_point(b"+234,941"), b"234.941");
    }
}
