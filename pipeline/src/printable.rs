//! Makes control characters of data visible, so that a value from a file, a message or a store cannot control a
//! terminal, forge a line of a log, or reverse the direction of the text around it.
//!
//! Escaped are C0 and C1 control characters (which include ESC and CSI), DEL, line and paragraph separators, and the
//! bidirectional controls of Unicode (UAX #9). Other characters are unchanged.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns true for a character that can change how the text around it is displayed.
pub const fn is_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// Returns a value in one line: control characters are written as `\n`, `\u{1b}` and so on.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control, |out, c| out.extend(c.escape_default()))
}

/// Returns a text of several lines: as [`line()`], with line feeds and tabs unchanged.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_control(c) && !matches!(c, '\n' | '\t'), |out, c| out.extend(c.escape_default()))
}

/// Returns a JSON text with the same content whose strings have no control characters. JSON itself has to escape only
/// those below a space.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_in_a_string = |c| is_control(c) && !matches!(c, '\n' | '\r' | '\t');
    escaped(text, is_in_a_string, |out, c| {
        let _ = write!(out, "\\u{:04x}", u32::from(c)); // all of them have four digits; a String cannot fail
    })
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(&is_escaped) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        if is_escaped(c) { escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_visible_and_everything_else_is_unchanged() {
        for (value, shown) in [
            ("\u{1b}[2J\u{1b}]0;x\u{7}", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\nb\rc\td", "a\\nb\\rc\\td"),
            ("a\u{202e}gpj.exe\u{2069}", "a\\u{202e}gpj.exe\\u{2069}"),
            ("a\u{2028}b\u{7f}", "a\\u{2028}b\\u{7f}"),
            ("São João №1 → “x”", "São João №1 → “x”"),
        ] {
            assert_eq!(line(value), shown);
            assert!(!line(value).chars().any(is_control));
        }
        assert_eq!(lines("a\n\tb\r\u{1b}c"), "a\n\tb\\r\\u{1b}c");
    }

    #[test]
    fn an_escaped_json_text_has_the_same_content() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}x\u{1b}\n", "b": [1, "ção"]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = json(&text);
            assert!(!escaped.chars().any(|c| is_control(c) && c != '\n'), "{escaped}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }
}
