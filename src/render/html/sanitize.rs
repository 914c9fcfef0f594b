//! Makes text from data readable: shows invisible characters, and limits its length. The template escapes it.

/// Maximum length of a key in bytes, as in S3: keys are never cut.
pub(super) const KEY: usize = 1_024;
/// Maximum length of a farm name in characters; a page may contain many.
pub(super) const NAME: usize = 80;
/// Maximum length of reasons and values in characters; longer ones are cut in the middle.
pub(super) const VALUE: usize = 300;

/// Returns the text with visible control and direction characters, cut in the middle if longer than `max` characters.
pub(super) fn shown(text: &str, max: usize) -> String {
    let chars = text.chars().count();
    if chars <= max {
        return text.chars().map(visible).collect();
    }
    let (head, tail) = (max * 2 / 3, max / 3);
    let start: String = text.chars().take(head).map(visible).collect();
    let end: String = text.chars().skip(chars - tail).map(visible).collect();
    format!("{start} […{} characters…] {end}", super::numbers::count((chars - head - tail) as u64))
}

/// Returns a text with a capital at its start, as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Returns the picture of a control character, and `�` for a character that changes the writing direction.
fn visible(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('�'),
        '\u{7f}' => '␡',
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '�',
        c if c.is_control() => '�',
        c => c,
    }
}

/// Returns the size of a text after escaping, in bytes.
pub(super) fn weight(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '<' | '>' => 4,
            '&' => 5,
            '"' | '\'' | '/' => 6,
            c => c.len_utf8(),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_invisible() {
        assert_eq!(shown("a\0b\nc\u{202e}d é", 100), "a␀b␊c�d é");
    }

    #[test]
    fn a_long_text_keeps_its_ends() {
        let text = format!("{}{}", "a".repeat(500), "z".repeat(500));
        let short = shown(&text, 30);
        assert!(short.starts_with("aaaa") && short.ends_with("zzzz") && short.contains("970 characters"), "{short}");
    }
}
