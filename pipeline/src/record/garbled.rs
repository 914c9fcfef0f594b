//! Texts that were damaged before they were sent: lost characters, UTF-8 that was read as Windows-1252 or as text of DOS or
//! Mac OS, HTML, letters that are still escapes of JSON, an address or an e-mail, and letters that only look like Latin ones.

/// Characters of the bytes 0x80 to 0x9f in Windows-1252; unassigned bytes are control characters.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Minimum and maximum length of the name of an HTML entity.
const ENTITY_NAME: std::ops::RangeInclusive<usize> = 2..=8;

const LOST: &str = "characters were lost when it was converted: export it again as UTF-8";

/// Returns what happened to a text, and what to do; `None` if no damage is visible.
pub(super) fn damage(text: &str) -> Option<&'static str> {
    if has_entity(text) {
        return Some("it is HTML: write the characters themselves");
    }
    if has_escape(text) || text.contains("%20") || ['%', '='].into_iter().any(|mark| has_encoded_byte(text, mark)) {
        return Some("its characters are encoded: write the characters themselves");
    }
    if has_lost_letter(text) {
        return Some(LOST);
    }
    if text.is_ascii() {
        return None;
    }
    if text.contains('\u{fffd}') {
        return Some(LOST);
    }
    if is_mojibake(text) || has_mojibake(text) {
        return Some("it is UTF-8 that was read as Windows-1252: export it again as UTF-8");
    }
    if has_mojibake_of_others(text) {
        return Some("it is UTF-8 that was read as text of DOS or Mac OS: export it again as UTF-8");
    }
    has_lookalike(text).then_some("some of its letters only look like Latin ones: write it again")
}

/// Returns true if a part of a text is mojibake: `Ã` and a symbol that is the rest of a small letter, or `Â` and a
/// character such as `º`. The remaining text may be correct.
fn has_mojibake(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let rest = chars.peek().copied();
        // A closing quotation mark may follow a name.
        let is_rest = |c: char| matches!(byte(c), Some(0xa1..=0xba | 0xbc..=0xbf));
        let is_sign = |c: char| matches!(c, 'ª' | 'º' | '°' | '§' | '²' | '³');
        if c == 'Ã' && rest.is_some_and(is_rest) || c == 'Â' && rest.is_some_and(is_sign) {
            return true;
        }
    }
    false
}

/// Returns true for text such as `S├úo` of DOS, whose box-drawing characters are first bytes of UTF-8, and `S√£o` of Mac OS.
fn has_mojibake_of_others(text: &str) -> bool {
    let is_box = |c: char| matches!(c, '\u{2500}'..='\u{259f}');
    let is_joined = |mark: char| {
        text.match_indices(mark).any(|(at, found)| {
            let next = text[at + found.len()..].chars().next();
            next.is_some_and(|next| !next.is_ascii() && !next.is_whitespace())
        })
    };
    text.contains(is_box) || is_joined('√') || is_joined('¬')
}

/// Cyrillic and Greek letters that look like Latin ones.
const LOOKALIKES: &str = "АВЕЅІЈКМНОРСТУХаеорсухѕіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧονυ";

/// Returns true if a word has Latin letters and others that look the same.
fn has_lookalike(text: &str) -> bool {
    let is_latin = |c: char| c.is_ascii_alphabetic() || matches!(c, 'À'..='\u{24f}');
    let mut words = text.split(|c: char| !c.is_alphabetic());
    words.any(|word| word.contains(|c| LOOKALIKES.contains(c)) && word.contains(is_latin))
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

/// Returns true if the text has an escape of JSON or Python, such as `\u00e3` or `\xe3`.
fn has_escape(text: &str) -> bool {
    let is_code = |code: Option<&str>| code.is_some_and(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
    text.match_indices("\\u").any(|(at, _)| is_code(text.get(at + 2..at + 6)))
        || text.match_indices("\\x").any(|(at, _)| is_code(text.get(at + 2..at + 4)))
}

/// Returns true if the text has a byte beyond ASCII in hexadecimal after this mark, next to letters or another one:
/// `S%C3%A3o` of an address, `S=C3=A3o` of an e-mail. A mark alone is usual: `50%`, `A=B1`.
fn has_encoded_byte(text: &str, mark: char) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        let Some(code) = text.get(at + 1..at + 3) else { return false };
        let is_byte = code.bytes().all(|b| b.is_ascii_hexdigit()) && !matches!(code.as_bytes()[0], b'0'..=b'7');
        let before = text[..at].ends_with(char::is_alphabetic);
        let next = text[at + 3..].chars().next();
        let after = next.is_some_and(char::is_alphabetic);
        is_byte && (next == Some(mark) || before && after || mark == '%' && (before || after))
    })
}

/// Returns true if a letter is a question mark, as a conversion writes letters that its target does not have: `S?o`.
fn has_lost_letter(text: &str) -> bool {
    text.match_indices('?').any(|(at, _)| {
        text[..at].trim_end_matches('?').ends_with(char::is_alphabetic)
            && text[at..].trim_start_matches('?').starts_with(char::is_alphabetic)
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
            ("São JoÃ£o", "Windows-1252"),
            ("São João NÂº 5", "Windows-1252"),
            ("AmanhÃ£", "Windows-1252"),
            ("S├úo Jo├úo", "DOS"),
            ("Paran├í", "DOS"),
            ("S√£o Jo√£o", "Mac OS"),
            ("N¬∫ 1", "Mac OS"),
            ("F\u{430}zendaUm", "look like"),
            ("Fazenda \u{39d}orte", "look like"),
            ("S\u{fffd}o Jo\u{fffd}o", "lost"),
            ("S&atilde;o", "HTML"),
            ("S&#227;o", "HTML"),
            ("S&#xE3;o", "HTML"),
            ("Faria &amp; Filhos", "HTML"),
            ("S&#00000227;o", "HTML"),
            ("S\\u00e3o", "encoded"),
            ("S\\xe3o", "encoded"),
            ("S%C3%A3o", "encoded"),
            ("s%c3%a3o", "encoded"),
            ("%C3%81gua", "encoded"),
            ("Paran%E1", "encoded"),
            ("Fazenda%20Um", "encoded"),
            ("S=C3=A3o", "encoded"),
            ("S=E3o", "encoded"),
            ("S?o Jo?o", "lost"),
            ("S??o", "lost"),
            ("A?a\u{ed}", "lost"),
        ] {
            assert!(damage(text).is_some_and(|why| why.contains(word)), "{text}: {:?}", damage(text));
        }
    }

    #[test]
    fn a_byte_of_windows_1252_is_that_of_its_character() {
        for (c, expected) in [('a', 0x61), ('€', 0x80), ('™', 0x99), ('Ÿ', 0x9f), ('ã', 0xe3)] {
            assert_eq!(byte(c), Some(expected), "{c}");
        }
        assert_eq!(byte('Ж'), None);
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
            "IRMÂ",
            "CAFÉ™",
            "Faria & Filhos; Sul",
            "R&D; x",
            "50%",
            "Quota 50%AB",
            "100% Nelore",
            "A=B1",
            "Lote=1",
            "Qual?",
            "Um? Dois",
            "?",
            "C:\\users",
            "\\u00e",
            "a\\x",
            "A&B",
            "& ;",
            "A&#; B",
            "A&#a; B",
            "A&#2b; C",
            "A&#123456789; B",
            "A7?B",
            "A%Cx B",
            "Łódź",
            "北京",
            "Ação°",
            "\u{a0}São João\u{a0}",
            "\u{201c}IRM\u{c3}\u{201d}",
            "\u{ab}AMANH\u{c3}\u{bb}",
            "√ 2",
            "√2",
            "2√",
            "Ферма",
            "aЖb",
            "Αγρόκτημα",
            "kΩ 5μg",
            "IRMÃ, SÃO",
            "Área 5m²",
            "",
        ] {
            assert_eq!(damage(text), None, "{text}");
        }
    }
}
