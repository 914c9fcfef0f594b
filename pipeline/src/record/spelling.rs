//! Canonical spelling of the texts of a message, so that a reading has the same id regardless of who wrote it.
//!
//! A text has no leading or trailing white space or invisible characters, and is normalized to NFC (Unicode
//! Standard Annex 15). An id that a spreadsheet or pandas turned into a float (`25994051003275.0`) becomes its digits,
//! and so does one that Excel marked as text (`'25994051003275`). An id with lost or grouped digits is ambiguous and is
//! rejected. So is a placeholder for a missing value. Applies to messages only; lake objects are read unchanged.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Reason why an id has no canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Scientific notation, such as `2.5994E+13`.
    Digits,
    /// A point, comma, space or apostrophe may group digits or start a fraction, as in `25.994.051`.
    Grouping,
    /// Control or invisible characters within the id.
    Hidden,
}

/// Texts that programs write in place of a missing value, in lower case: those of databases, of R, Python and
/// JavaScript, and the errors of spreadsheets in English and Portuguese.
const PLACEHOLDERS: [&str; 25] = [
    "null",
    "(null)",
    "<null>",
    "\\n",
    "nan",
    "na",
    "n/a",
    "n/d",
    "<na>",
    "none",
    "nil",
    "nat",
    "undefined",
    "-",
    "--",
    "#n/a",
    "#n/d",
    "#ref!",
    "#value!",
    "#valor!",
    "#name?",
    "#nome?",
    "#div/0!",
    "#num!",
    "#null!",
];

/// Largest integer up to which a double represents every integer: 2^53.
const EXACT_IN_DOUBLE: &str = "9007199254740992";

/// Returns true if the text stands for a missing value, such as `NULL` or `#N/A`.
pub(super) fn is_placeholder(tidy: &str) -> bool {
    tidy.len() <= 9 && PLACEHOLDERS.iter().any(|known| tidy.eq_ignore_ascii_case(known))
}

/// Returns true if a double that is at least 2^53 was written with these digits, and may have lost the last ones.
pub(super) fn is_beyond_double(digits: &str) -> bool {
    let digits = digits.trim_start_matches('0');
    digits.len() > EXACT_IN_DOUBLE.len() || digits.len() == EXACT_IN_DOUBLE.len() && digits > EXACT_IN_DOUBLE
}

/// Returns the text without leading and trailing white space, in NFC.
pub(super) fn tidy(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(is_blank);
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Returns true for white space, for the NUL bytes that pad a fixed-width column, and for invisible characters.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\0' || is_invisible(c)
}

/// Returns true for zero-width spaces and joiners, direction marks and byte order marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Returns the digits of an id that a program formatted as a float or marked as text; other texts are returned unchanged.
///
/// Three digits after a single point may be a fraction of zeros or thousands, so `1.000` is rejected. `1.0`, `1.00` and
/// `1.000000` become `1`.
pub(super) fn id(text: &str) -> Result<&str, Lost> {
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err(Lost::Hidden);
    }
    let text = without_mark(text);
    if [char::is_whitespace, is_apostrophe].into_iter().any(|separator| is_grouped(text, separator)) {
        return Err(Lost::Grouping);
    }
    let Some((whole, rest)) = text.split_once(['.', ',']) else {
        return if is_scientific(text) { Err(Lost::Digits) } else { Ok(text) };
    };
    if !is_digits(whole) {
        return Ok(text);
    }
    if is_scientific(text) {
        return Err(Lost::Digits);
    }
    let groups = rest.split(['.', ',']);
    if whole.len() <= 3 && groups.clone().all(|group| group.len() == 3 && is_digits(group)) {
        return Err(Lost::Grouping);
    }
    if !is_digits(rest) || rest.bytes().any(|b| b != b'0') {
        return Ok(text);
    }
    if is_beyond_double(whole) { Err(Lost::Digits) } else { Ok(whole) }
}

/// Removes the mark with which a spreadsheet keeps a number as text: a leading apostrophe, or `="…"`.
fn without_mark(text: &str) -> &str {
    let quoted = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"'));
    let unmarked = quoted.or_else(|| text.strip_prefix(is_apostrophe)).map(str::trim);
    unmarked.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text)
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// Returns true for groups of three digits between separators: `25 994 051`.
fn is_grouped(text: &str, separator: fn(char) -> bool) -> bool {
    let mut groups = text.split(separator);
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    rest.peek().is_some()
        && first.len() <= 3
        && is_digits(first)
        && rest.all(|group| group.len() == 3 && is_digits(group))
}

/// Returns true for one digit followed by a fraction, a signed exponent or both: `2.5994E+13`, `2E+13`, `2.5E13`. `1E5`
/// is a valid pen name.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let (whole, fraction) =
        mantissa.split_once(['.', ',']).map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
    let unsigned = exponent.strip_prefix(['+', '-']);
    let is_number = whole.len() == 1 && is_digits(whole) && fraction.is_none_or(is_digits);
    is_number && is_digits(unsigned.unwrap_or(exponent)) && (fraction.is_some() || unsigned.is_some())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_decomposed_letters_do_not_change_the_spelling() {
        for text in ["São João", " São João ", "\u{a0}São João\t", "Sa\u{303}o Joa\u{303}o", "\u{feff}São João\u{200b}"]
        {
            assert_eq!(tidy(text), "São João", "{text:?}");
        }
        assert_eq!(tidy("a  b"), "a  b", "white space inside a text is unchanged");
        assert!(matches!(tidy("25994051003275"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_placeholder_is_no_value() {
        for text in ["NULL", "null", "NaN", "N/A", "#REF!", "\\N", "-", "None", "#DIV/0!", "<NA>"] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["0", "A", "NAN1", "Nullarbor", "---", ""] {
            assert!(!is_placeholder(text), "{text}");
        }
        assert_eq!(tidy("ABC\0\0\0"), "ABC");
    }

    #[test]
    fn a_float_id_becomes_its_digits_and_an_id_with_lost_digits_is_rejected() {
        let cases = [
            ("25994051003275", Ok("25994051003275")),
            ("25994051003275.0", Ok("25994051003275")),
            ("25994051003275,00", Ok("25994051003275")),
            ("9000001.000000", Ok("9000001")),
            ("9000001.000", Ok("9000001")),
            ("1.000", Err(Lost::Grouping)),
            ("25.994.051.003.275", Err(Lost::Grouping)),
            ("25,994", Err(Lost::Grouping)),
            ("2.5994E+13", Err(Lost::Digits)),
            ("2,5994e+13", Err(Lost::Digits)),
            ("2.5994051003275E13", Err(Lost::Digits)),
            ("2E+13", Err(Lost::Digits)),
            ("1E5", Ok("1E5")),
            ("12E+3", Ok("12E+3")),
            ("A.0", Ok("A.0")),
            ("1.5", Ok("1.5")),
            ("1.0.0", Ok("1.0.0")),
            ("Curral 7", Ok("Curral 7")),
            ("1.2E+x", Ok("1.2E+x")),
            ("'25994051003275", Ok("25994051003275")),
            ("\u{2019}25994051003275.0", Ok("25994051003275")),
            ("=\"0042\"", Ok("0042")),
            ("'A1", Ok("'A1")),
            ("9007199254740992.0", Ok("9007199254740992")),
            ("9007199254740993.0", Err(Lost::Digits)),
            ("25994051003275123.00", Err(Lost::Digits)),
            ("25994051003275123", Ok("25994051003275123")),
            ("25 994 051 003 275", Err(Lost::Grouping)),
            ("25\u{202f}994", Err(Lost::Grouping)),
            ("25'994'051", Err(Lost::Grouping)),
            ("25 99", Ok("25 99")),
            ("12\u{200b}3", Err(Lost::Hidden)),
            ("12\r\n3", Err(Lost::Hidden)),
        ];
        for (text, expected) in cases {
            assert_eq!(id(text), expected, "{text}");
        }
    }
}
