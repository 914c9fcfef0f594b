//! Canonical spelling of the texts of a message, so that a reading has the same id regardless of who wrote it.
//!
//! A text has no leading or trailing white space or invisible characters, has plain spaces only, and is normalized to
//! NFC (Unicode Standard Annex 15). An id that a spreadsheet or pandas turned into a float (`25994051003275.0`) becomes
//! its digits, and so does one that a program marked as text (`'25994051003275`). An id with lost or grouped digits is
//! ambiguous and is rejected. Applies to messages only; lake objects are read unchanged.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Reason why an id has no canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Scientific notation, such as `2.5994E+13` or `2.5994x10^13`.
    Digits,
    /// A point, comma, space or apostrophe may group digits or start a fraction, as in `25.994.051`.
    Grouping,
    /// Control or invisible characters within the id.
    Hidden,
    /// Digits of another script, or with quotes that are not a pair.
    Digitlike,
}

/// Largest integer up to which a double represents every integer: 2^53.
const EXACT_IN_DOUBLE: &str = "9007199254740992";

/// Maximum number of digits before a point of an id such as `1.5` or `12.50`, which is a code. Longer ones are integers, whose
/// fraction is a fault.
const CODE_DIGITS: usize = 6;

/// Returns true if a double that is at least 2^53 was written with these digits, and may have lost the last ones.
pub(super) fn is_beyond_double(digits: &str) -> bool {
    let digits = digits.trim_start_matches('0');
    digits.len() > EXACT_IN_DOUBLE.len() || digits.len() == EXACT_IN_DOUBLE.len() && digits > EXACT_IN_DOUBLE
}

/// Returns the text without leading and trailing white space, in NFC. A space of another kind becomes a plain one.
pub(super) fn tidy(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(is_blank);
    if text.is_ascii() || (is_nfc_quick(text.chars()) == IsNormalized::Yes && !text.contains(is_other_space)) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().map(|c| if is_other_space(c) { ' ' } else { c }).collect())
    }
}

/// Returns true for spaces that look like a plain one, such as a no-break space; not for control characters.
fn is_other_space(c: char) -> bool {
    c != ' ' && c.is_whitespace() && !c.is_control()
}

/// Returns true for white space, for the NUL bytes that pad a fixed-width column, and for invisible characters.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\0' || is_invisible(c)
}

/// Returns true for zero-width spaces and joiners, direction marks and byte order marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns true if a name contains an invisible character. Joiners belong to the spelling of some scripts that are not
/// Latin, Greek or Cyrillic.
pub(super) fn has_invisible(name: &str) -> bool {
    let is_joiner = |c| matches!(c, '\u{200c}' | '\u{200d}');
    let joins = || name.chars().any(|c| c > '\u{590}' && c.is_alphabetic());
    name.chars().any(|c| is_invisible(c) && !(is_joiner(c) && joins()))
}

/// Returns true if a name is a number in any form of an id, so that it is read like one.
pub(super) fn is_numeric(name: &str) -> bool {
    let is_part = |c: char| c.is_numeric() || matches!(c, '.' | ',' | '=' | 'e' | 'E' | '+' | '-') || is_quote(c);
    name.contains(char::is_numeric) && (name.chars().all(is_part) || is_scientific(name))
}

/// Returns the digits of an id that a program formatted as a float or marked as text; other texts are returned unchanged.
/// A minus sign is part of the id: `-1.0` is `-1`.
///
/// Three digits after a single point may be a fraction of zeros or thousands, so `1.000` is rejected. `1.`, `1.0`, `1.00`
/// and `1.000000` become `1`.
pub(super) fn id(text: &str) -> Result<&str, Lost> {
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err(Lost::Hidden);
    }
    let text = without_sign(without_mark(text));
    if is_digitlike(text) {
        return Err(Lost::Digitlike);
    }
    if is_scientific(text) {
        return Err(Lost::Digits);
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if [char::is_whitespace, is_apostrophe].into_iter().any(|separator| is_grouped(unsigned, separator)) {
        return Err(Lost::Grouping);
    }
    let Some((whole, rest)) = unsigned.split_once(['.', ',']) else { return Ok(text) };
    if !is_digits(whole) {
        return Ok(text);
    }
    let groups = rest.split(['.', ',']);
    if whole.len() <= 3 && groups.clone().all(|group| group.len() == 3 && is_digits(group)) {
        return Err(Lost::Grouping);
    }
    if rest.bytes().any(|b| b != b'0') {
        let is_fraction = is_digits(rest) && whole.len() > CODE_DIGITS;
        return if is_fraction { Err(Lost::Grouping) } else { Ok(text) };
    }
    let sign = text.len() - unsigned.len();
    if is_beyond_double(whole) { Err(Lost::Digits) } else { Ok(&text[..sign + whole.len()]) }
}

/// Pairs of quotes that a program may leave around a cell.
const QUOTES: [(char, char); 6] = [
    ('\'', '\''),
    ('"', '"'),
    ('`', '`'),
    ('\u{2018}', '\u{2019}'),
    ('\u{2019}', '\u{2019}'),
    ('\u{201c}', '\u{201d}'),
];

/// Returns the name of a farm without a pair of quotes around it, which a program left there. Quotes within a name belong
/// to it.
pub(super) fn without_quotes(name: &str) -> &str {
    let inner = |(open, close): &(char, char)| {
        let inner = name.strip_prefix(*open)?.strip_suffix(*close)?;
        (!inner.contains([*open, *close])).then(|| inner.trim_matches(is_blank))
    };
    QUOTES.iter().find_map(inner).unwrap_or(name)
}

/// Removes the mark with which a program keeps a number as text: a pair of quotes, a leading apostrophe, or `="…"`.
fn without_mark(text: &str) -> &str {
    let formula = text.strip_prefix('=').unwrap_or(text);
    let quoted = QUOTES.iter().find_map(|(open, close)| formula.strip_prefix(*open)?.strip_suffix(*close));
    let unmarked = quoted.or_else(|| text.strip_prefix(is_apostrophe)).map(str::trim);
    unmarked.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text)
}

/// Removes the plus sign of a number.
fn without_sign(text: &str) -> &str {
    let is_number = |text: &&str| text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','));
    text.strip_prefix('+')
        .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
        .filter(is_number)
        .unwrap_or(text)
}

/// Returns true for digits of which some are of another script (`２５９`), or that have a quote at an end (`259"`): they
/// look like an id and would be another one.
fn is_digitlike(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    let has_quote = ends.into_iter().flatten().any(is_quote);
    let is_other_numeral = |c: char| !c.is_ascii() && c.is_numeric();
    let is_part = |c: char| c.is_numeric() || matches!(c, '.' | ',' | ' ' | '+' | '-') || is_quote(c);
    (has_quote || text.contains(is_other_numeral)) && text.contains(char::is_numeric) && text.chars().all(is_part)
}

fn is_quote(c: char) -> bool {
    QUOTES.iter().any(|(open, close)| c == *open || c == *close)
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

/// Letters and signs that separate a number from its power of ten.
const TIMES: [char; 5] = ['x', 'X', '×', '*', '·'];

/// Returns true for a number with an exponent, as programs write it: `2.5994E+13`, `25.994E12`, `2E+13`, `2.5994 E+13`,
/// `2.5994D+13` (Fortran), `2.5994x10^13`. `1E5` and `2.5D3` are valid pen names.
fn is_scientific(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some((mantissa, power)) = text.split_once(TIMES) {
        return has_fraction(mantissa.trim_end()).is_some() && is_power_of_ten(power.trim_start());
    }
    let Some(at) = text.find(['e', 'E', 'd', 'D']) else { return false };
    let (mantissa, exponent) = (text[..at].trim_end(), text[at + 1..].trim_start());
    let unsigned = exponent.strip_prefix(['+', '-']);
    let is_clear = match has_fraction(mantissa) {
        Some(false) => mantissa.len() == 1 && unsigned.is_some(),
        Some(true) => text[at..].starts_with(['e', 'E']) || unsigned.is_some() || exponent.len() > 1,
        None => false,
    };
    is_clear && is_digits(unsigned.unwrap_or(exponent))
}

/// Returns true if a decimal number has a fraction, which may be empty; `None` if the text is not a decimal number.
fn has_fraction(text: &str) -> Option<bool> {
    let Some((whole, fraction)) = text.split_once(['.', ',']) else { return is_digits(text).then_some(false) };
    (is_digits(whole) && (fraction.is_empty() || is_digits(fraction))).then_some(true)
}

/// Returns true for `10^13`, `10**13` and `10¹³`.
fn is_power_of_ten(text: &str) -> bool {
    let Some(exponent) = text.strip_prefix("10").map(str::trim_start) else { return false };
    if let Some(exponent) = exponent.strip_prefix('^').or_else(|| exponent.strip_prefix("**")) {
        let exponent = exponent.trim_start();
        return is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    }
    let exponent = exponent.strip_prefix(['⁺', '⁻']).unwrap_or(exponent);
    !exponent.is_empty() && exponent.chars().all(|c| matches!(c, '⁰' | '¹' | '²' | '³' | '⁴'..='⁹'))
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
    fn spaces_of_another_kind_within_a_text_become_plain_ones() {
        for text in ["Fazenda\u{a0}Um", "Fazenda\u{202f}Um", "Fazenda\u{2009}Um\u{a0}", "Fazenda\u{3000}Um"] {
            assert_eq!(tidy(text), "Fazenda Um", "{text:?}");
        }
        assert_eq!(tidy("a\tb"), "a\tb", "control characters are rejected later");
        assert_eq!(tidy("ABC\0\0\0"), "ABC");
    }

    #[test]
    fn invisible_characters_belong_to_some_scripts_only() {
        for name in ["Fazenda\u{200b}Um", "Fa\u{ad}zenda", "Fazenda\u{200d}Um", "a\u{2066}b"] {
            assert!(has_invisible(name), "{name:?}");
        }
        assert!(!has_invisible("São João") && !has_invisible("می\u{200c}خواهم"));
    }

    #[test]
    fn a_farm_that_is_a_number_is_read_like_an_id() {
        for name in [
            "123",
            "123.0",
            "'123",
            "1.23E+02",
            "1.23 E+02",
            "1.23x10^2",
            "=\"123\"",
            "１２３",
            "+123",
            "\u{201c}123\u{201d}",
        ] {
            assert!(is_numeric(name), "{name}");
        }
        for name in ["Fazenda 7.0 Norte", "Fazenda 10^2", "2x10", "1 2", "E", "-", "", "7a", "São"] {
            assert!(!is_numeric(name), "{name}");
        }
    }

    #[test]
    fn a_pair_of_quotes_around_a_farm_is_no_part_of_its_name() {
        for name in ["\u{201c}Fazenda Um\u{201d}", "\"Fazenda Um\"", "'Fazenda Um'", "\u{2018} Fazenda Um \u{2019}"] {
            assert_eq!(without_quotes(name), "Fazenda Um", "{name}");
        }
        for name in ["Fazenda \"São João\"", "\"Um\" e \"Dois\"", "'Um", "D'Água", "\"", "\u{201c}Um\"", "Um"] {
            assert_eq!(without_quotes(name), name);
        }
        assert_eq!(without_quotes("\"D'Água\""), "D'Água");
    }

    /// Texts with their ids.
    const IDS: &[(&str, Result<&str, Lost>)] = &[
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
        ("123456.5", Ok("123456.5")),
        ("25994051003275.50", Err(Lost::Grouping)),
        ("-9000001,5", Err(Lost::Grouping)),
        ("9000001.5.1", Ok("9000001.5.1")),
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
        ("25994051003275.", Ok("25994051003275")),
        ("'25994051003275'", Ok("25994051003275")),
        ("\"25994051003275.0\"", Ok("25994051003275")),
        ("\u{2018}25\u{2019}", Ok("25")),
        ("='25'", Ok("25")),
        ("+25994051003275", Ok("25994051003275")),
        ("+25.0", Ok("25")),
        ("+A", Ok("+A")),
        ("25.994051003275E+12", Err(Lost::Digits)),
        ("25994,05e9", Err(Lost::Digits)),
        ("2.E13", Err(Lost::Digits)),
        ("2.59941 E+13", Err(Lost::Digits)),
        ("2.59941 e 13", Err(Lost::Digits)),
        ("-2.5E+13", Err(Lost::Digits)),
        ("+2.5E+13", Err(Lost::Digits)),
        ("2.5994D+13", Err(Lost::Digits)),
        ("2,5994d13", Err(Lost::Digits)),
        ("2.59941x10^13", Err(Lost::Digits)),
        ("2.59941 × 10^13", Err(Lost::Digits)),
        ("2.59941*10**13", Err(Lost::Digits)),
        ("2.59941×10¹³", Err(Lost::Digits)),
        ("2.5D3", Ok("2.5D3")),
        ("1D+3", Err(Lost::Digits)),
        ("2x10", Ok("2x10")),
        ("2.5x10m", Ok("2.5x10m")),
        ("2.5x10", Ok("2.5x10")),
        ("x10^13", Ok("x10^13")),
        ("２５９９４", Err(Lost::Digitlike)),
        ("٢٥٩", Err(Lost::Digitlike)),
        ("259\"", Err(Lost::Digitlike)),
        ("\"259", Err(Lost::Digitlike)),
        ("259'", Err(Lost::Digitlike)),
        ("Área 5m²", Ok("Área 5m²")),
        ("A\"1\"", Ok("A\"1\"")),
        ("-5", Ok("-5")),
        ("-1", Ok("-1")),
        ("-1.0", Ok("-1")),
        ("-1.", Ok("-1")),
        ("-25994051003275,00", Ok("-25994051003275")),
        ("-1.5", Ok("-1.5")),
        ("-A.0", Ok("-A.0")),
        ("--1.0", Ok("--1.0")),
        ("-1.000", Err(Lost::Grouping)),
        ("-25 994", Err(Lost::Grouping)),
        ("-9007199254740993.0", Err(Lost::Digits)),
        ("12\u{200b}3", Err(Lost::Hidden)),
        ("12\r\n3", Err(Lost::Hidden)),
    ];

    #[test]
    fn a_float_id_becomes_its_digits_and_an_id_with_lost_digits_is_rejected() {
        for (text, expected) in IDS {
            assert_eq!(id(text), *expected, "{text}");
        }
    }
}
