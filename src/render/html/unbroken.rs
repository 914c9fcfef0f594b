//! Text in which a date, a number with its unit, and a flag are not broken across lines.

use std::borrow::Cow;
use std::fmt::Write as _;

use minijinja::{HtmlEscape, Value};

/// Units that follow a number after a space.
const UNITS: [&str; 14] = ["%", "s", "ms", "min", "h", "day", "days", "kg", "UTC", "B", "kB", "MB", "GB", "TB"];

/// Maximum length of a flag in bytes; a longer word may be data, and must be breakable to fit on a narrow screen.
const FLAG: usize = 32;

/// Mark of what stays on one line.
const MARK: &str = "<span class=\"nb\">";

/// Filter of the templates: returns the text as HTML.
pub(super) fn filter(text: Cow<'_, str>) -> Value {
    Value::from_safe_string(html(&text))
}

fn html(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let (mut html, mut at) = (String::with_capacity(text.len()), 0);
    while at < words.len() {
        let mut end = at + 1;
        while end < words.len() && belongs(words[end - 1], words[end]) {
            end += 1;
        }
        let together = words[at..end].join(" ");
        let escaped = HtmlEscape(&together);
        let space = if at == 0 { "" } else { " " };
        let is_marked = end - at > 1 || is_date(words[at]) || is_flag(words[at]);
        let (begin, close) = if is_marked { (MARK, "</span>") } else { ("", "") };
        let _ = write!(html, "{space}{begin}{escaped}{close}"); // writing to a string cannot fail
        at = end;
    }
    html
}

/// Returns true if a word continues the previous one: a unit after its number, or a time after its date.
fn belongs(word: &str, next: &str) -> bool {
    let unit = next.trim_end_matches(['.', ',', ';', ':', ')']);
    let is_number = word.len() <= 16 && word.ends_with(|c: char| c.is_ascii_digit());
    is_number && next.len() <= 8 && UNITS.contains(&unit)
        || is_date(word) && word.ends_with(|c: char| c.is_ascii_digit()) && is_time(next)
}

/// Returns true for `2026-01-31`, also in punctuation.
fn is_date(word: &str) -> bool {
    let date = word.trim_matches(|c: char| c.is_ascii_punctuation());
    word.len() <= 16 && date.len() == 10 && has_form(date, "dddd-dd-dd")
}

/// Returns true for `23:59` and `23:59:59`, also before punctuation.
fn is_time(word: &str) -> bool {
    let time = word.trim_end_matches(|c: char| c.is_ascii_punctuation());
    word.len() <= 12 && matches!(time.len(), 5 | 8) && has_form(time, "dd:dd:dd")
}

fn is_flag(word: &str) -> bool {
    word.len() <= FLAG && word.starts_with("--")
}

/// Returns true if a text has digits where the form has `d`, and otherwise the characters of the form.
fn has_form(text: &str, form: &str) -> bool {
    text.bytes()
        .zip(form.bytes())
        .all(|(byte, wanted)| if wanted == b'd' { byte.is_ascii_digit() } else { byte == wanted })
}

/// Returns the HTML without the marks of this module, for tests that search for text.
#[cfg(test)]
pub(super) fn without_marks(html: &str) -> String {
    let mut parts = html.split(MARK);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(&part.replacen("</span>", "", 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_numbers_with_units_and_flags_are_marked() {
        for (text, expected) in [
            ("from 2026-01-01 to 2026-01-14;", "from [2026-01-01] to [2026-01-14;]"),
            ("processed 2026-11-22 18:49 UTC, later", "processed [2026-11-22 18:49 UTC,] later"),
            ("at 2026-11-22 18:49:03 UTC.", "at [2026-11-22 18:49:03 UTC.]"),
            ("half (99.9 %) took 4 min 12 s", "half [(99.9 %)] took [4 min] [12 s]"),
            ("add --max-drift 1%, or not", "add [--max-drift] 1%, or not"),
            ("3 shards, 2 s", "3 shards, [2 s]"),
            ("", ""),
            ("  two  spaces ", "  two  spaces "),
        ] {
            let marked = html(text).replace(MARK, "[").replace("</span>", "]");
            assert_eq!(marked, expected);
            assert_eq!(without_marks(&html(text)), text);
        }
    }

    #[test]
    fn data_is_escaped_and_long_words_stay_breakable() {
        let hostile = "<b>9 s</b> --<script>alert(1)</script> '\"&";
        let marked = html(hostile);
        assert!(!marked.contains("<b>") && !marked.contains("<script"), "{marked}");
        for data in [format!("--{}", "x".repeat(200)), format!("{} s", "9".repeat(200)), "a_2026-01-03 00:00".into()] {
            assert_eq!(html(&data), data);
        }
    }
}
