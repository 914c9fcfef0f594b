//! Texts that were damaged before they were sent: lost characters, UTF-8 that was read as Windows-1252, and HTML.

/// Characters of the bytes 0x80 to 0x9f in Windows-1252; unassigned bytes are control characters.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Minimum and maximum length of the name of an HTML entity.
const ENTITY_NAME: std::ops::RangeInclusive<usize> = 2..=8;

/// Returns what happened to a text, and what to do; `None` if no damage is visible.
pub(super) fn damage(text: &str) -> Option<&'static str> {
    if has_entity(text) {
        return Some("it is HTML: write the characters themselves");
    }
    if text.is_ascii() {
        return None;
    }
    if text.contains('\u{fffd}') {
        return Some("characters were lost when it was converted: export it again as UTF-8");
    }
    is_mojibake(text).then_some("it is UTF-8 that was read as Windows-1252: export it again as UTF-8")
}

/// Returns true for text such as `SÃ£o JoÃ£o`: its bytes in Windows-1252 are Latin text in UTF-8.
///
/// Correct text has a letter such as `ã` before an ASCII letter, and these bytes are not UTF-8.
fn is_mojibake(text: &str) -> bool {
    let Some(bytes) = text.chars().map(byte).collect::<Option<Vec<u8>>>() else { return false };
    let is_expected = |c: char| matches!(c, '\0'..='\u{7f}' | '\u{a0}'..='\u{17f}' | '\u{2010}'..='\u{205e}');
    std::str::from_utf8(&bytes).is_ok_and(|meant| meant.chars().all(is_expected))
}

/// Returns the byte of a character in Windows-1252; `None` if it has none.
fn byte(c: char) -> Option<u8> {
    match u8::try_from(u32::from(c)) {
        Ok(byte) => Some(byte),
        Err(_) => WINDOWS_1252.iter().zip(0x80..).find_map(|(known, byte)| (*known == c).then_some(byte)),
    }
}

/// Returns true if the text has an HTML entity, such as `&atilde;` or `&#227;`.
fn has_entity(text: &str) -> bool {
    text.match_indices('&').any(|(at, _)| {
        let Some((name, _)) = text[at + 1..].split_once(';') else { return false };
        let is_number = name.strip_prefix('#').is_some_and(|code| {
            let digits = code.strip_prefix(['x', 'X']);
            let is_digit = |b: u8| if digits.is_some() { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
            let code = digits.unwrap_or(code);
            !code.is_empty() && code.len() <= *ENTITY_NAME.end() && code.bytes().all(is_digit)
        });
        let is_name = ENTITY_NAME.contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        is_number || is_name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_text_is_recognized() {
        for (text, word) in [
            ("SÃ£o JoÃ£o", "Windows-1252"),
            ("Fazenda ParanÃ¡", "Windows-1252"),
            ("AÃ§aÃ\u{ad}", "Windows-1252"),
            ("VitÃ³ria â€“ Sul", "Windows-1252"),
            ("FAZENDA SÃƒO", "Windows-1252"),
            ("S\u{fffd}o Jo\u{fffd}o", "lost"),
            ("S&atilde;o", "HTML"),
            ("S&#227;o", "HTML"),
            ("S&#xE3;o", "HTML"),
            ("Faria &amp; Filhos", "HTML"),
        ] {
            assert!(damage(text).is_some_and(|why| why.contains(word)), "{text}: {:?}", damage(text));
        }
    }

    #[test]
    fn text_as_it_is_meant_is_not_damaged() {
        for text in [
            "São João",
            "SÃO JOÃO",
            "Açaí",
            "Fazenda Água – Sul",
            "“São João”",
            "Nº 1",
            "1ª Fazenda",
            "FAZENDA PARANÁ",
            "Ã",
            "Faria & Filhos; Sul",
            "R&D; x",
            "A&B",
            "& ;",
            "Łódź",
            "北京",
            "Ação°",
            "\u{a0}São João\u{a0}",
            "Área 5m²",
            "",
        ] {
            assert_eq!(damage(text), None, "{text}");
        }
    }
}
