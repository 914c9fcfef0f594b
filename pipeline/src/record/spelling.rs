//! Canonical spelling of texts, so that one value cannot have two ids.
//!
//! Leading and trailing white space is removed, including no-break spaces, and the text is normalized to NFC (Unicode
//! Standard Annex 15). An id that a spreadsheet or pandas turned into a float (`25994051003275.0`) becomes its digits.
//! An id with lost or grouped digits is ambiguous and is rejected. Applies to messages only; lake objects are read
//! unchanged.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Reason why an id has no canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Scientific notation, such as `2.5994E+13`.
    Digits,
    /// A point or comma may group digits or start a fraction, as in `25.994.051`.
    Grouping,
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

/// Returns true for white space and invisible characters: zero-width spaces, direction marks and byte order marks.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Returns the digits of an id that a program formatted as a float; other texts are returned unchanged.
///
/// Three digits after a single point may be a fraction of zeros or thousands, so `1.000` is rejected. `1.0`, `1.00` and
/// `1.000000` become `1`.
pub(super) fn id(text: &str) -> Result<&str, Lost> {
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
    Ok(if is_digits(rest) && rest.bytes().all(|b| b == b'0') { whole } else { text })
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
        ];
        for (text, expected) in cases {
            assert_eq!(id(text), expected, "{text}");
        }
    }
}
