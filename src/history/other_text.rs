//! Recognizes Portuguese text of DOS (code page 850, of which 437 is a part) and of Mac OS (MacRoman), which decoding as
//! Windows-1252 would turn into other names: `JOÃO` of DOS into `JOÇO`.

use std::fmt;

use encoding_rs::WINDOWS_1252;

/// Encodings of older systems that are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherText {
    Dos,
    Mac,
}

/// Bytes of Portuguese letters in code page 850.
const DOS: [(u8, char); 25] = [
    (0x80, 'Ç'),
    (0x81, 'ü'),
    (0x82, 'é'),
    (0x83, 'â'),
    (0x87, 'ç'),
    (0x88, 'ê'),
    (0x90, 'É'),
    (0x93, 'ô'),
    (0xa0, 'á'),
    (0xa1, 'í'),
    (0xa2, 'ó'),
    (0xa3, 'ú'),
    (0xa4, 'ñ'),
    (0xa5, 'Ñ'),
    (0xb5, 'Á'),
    (0xb6, 'Â'),
    (0xc6, 'ã'),
    (0xc7, 'Ã'),
    (0xd2, 'Ê'),
    (0xd6, 'Í'),
    (0xe0, 'Ó'),
    (0xe2, 'Ô'),
    (0xe4, 'õ'),
    (0xe5, 'Õ'),
    (0xe9, 'Ú'),
];

/// Bytes of Portuguese letters in MacRoman.
const MAC: [(u8, char); 25] = [
    (0x82, 'Ç'),
    (0x83, 'É'),
    (0x84, 'Ñ'),
    (0x87, 'á'),
    (0x89, 'â'),
    (0x8b, 'ã'),
    (0x8d, 'ç'),
    (0x8e, 'é'),
    (0x90, 'ê'),
    (0x92, 'í'),
    (0x96, 'ñ'),
    (0x97, 'ó'),
    (0x99, 'ô'),
    (0x9b, 'õ'),
    (0x9c, 'ú'),
    (0x9f, 'ü'),
    (0xcc, 'Ã'),
    (0xcd, 'Õ'),
    (0xe5, 'Â'),
    (0xe6, 'Ê'),
    (0xe7, 'Á'),
    (0xea, 'Í'),
    (0xee, 'Ó'),
    (0xef, 'Ô'),
    (0xf2, 'Ú'),
];

/// Letters beyond ASCII that names in Brazil have, in lower case.
const USUAL: &str = "áàâãçéèêëíïóòôõöúüñýªº";

/// Characters directly after a letter that show that text is not Windows-1252.
const NOT_AFTER_A_LETTER: &str = "‚ƒ„†‡ˆ‰‹¡¢£¤¥";

/// Symbols that may be between two letters.
const BETWEEN_LETTERS: &str = "’–—·\u{a0}";

impl OtherText {
    /// Returns the encoding of a line that is not UTF-8, if it is text in this encoding and unusual in Windows-1252.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let words: Vec<&[u8]> =
            line.split(|b| b.is_ascii() && !b.is_ascii_alphabetic()).filter(|word| !word.is_ascii()).collect();
        let is_unusual = words.iter().any(|word| is_unusual(&decoded(word)));
        let fits = |encoding: &Self| words.iter().all(|word| encoding.fits(word));
        [Self::Dos, Self::Mac].into_iter().find(|encoding| is_unusual && fits(encoding))
    }

    /// Returns true if a word has Portuguese letters in this encoding, in the places in which they are used.
    fn fits(self, word: &[u8]) -> bool {
        let table = if self == Self::Dos { &DOS } else { &MAC };
        let letter = |byte: &u8| match byte.is_ascii() {
            true => Some(char::from(*byte)),
            false => table.iter().find_map(|(known, letter)| (known == byte).then_some(*letter)),
        };
        let Some(letters) = word.iter().map(letter).collect::<Option<Vec<char>>>() else { return false };
        (0..letters.len()).all(|at| letters[at].is_ascii() || is_in_place(&letters, at))
    }
}

/// Returns the characters of a word in Windows-1252.
fn decoded(word: &[u8]) -> Vec<char> {
    WINDOWS_1252.decode_without_bom_handling(word).0.chars().collect()
}

/// Returns true if a letter beyond ASCII is where Portuguese words have it: in the case of its neighbours, `ã` after a letter
/// and before `o`, `e`, `i`, `s` or at the end, `õ` before `es`, and `ç` between other letters.
fn is_in_place(letters: &[char], at: usize) -> bool {
    let lower = |at: usize| letters.get(at).and_then(|c| c.to_lowercase().next());
    let (before, next) = (at.checked_sub(1).and_then(lower), lower(at + 1));
    let is_upper = letters[at].is_uppercase();
    let is_after_capitals = at >= 2 && letters[at - 2..at].iter().all(|c| c.is_uppercase());
    let is_case = match (at.checked_sub(1).map(|at| letters[at]), letters.get(at + 1)) {
        (Some(before), Some(next)) if is_upper => before.is_uppercase() && next.is_uppercase(),
        (Some(before), None) if is_upper => before.is_uppercase(),
        (None, _) if is_upper => false,  // Ö is a letter too
        _ if is_after_capitals => false, // `JOSâ`
        (_, next) => next.is_none_or(|next| next.is_lowercase()),
    };
    let is_letter = match lower(at) {
        Some('ã') => before.is_some() && next.is_none_or(|next| "oeis".contains(next)),
        Some('õ') => next == Some('e') && lower(at + 2) == Some('s'),
        Some('ç') => is_cedilla_in_place(before, next),
        _ => true,
    };
    is_case && is_letter
}

fn is_cedilla_in_place(before: Option<char>, next: Option<char>) -> bool {
    before.is_some_and(|c| "aeiouáâãéêíóôõúnrlpc".contains(c)) && next.is_some_and(|c| "aouáâãóôõú".contains(c))
}

/// Returns true if a word in Windows-1252 has a letter that names in Brazil do not have, or one where they do not have it.
fn is_unusual(word: &[char]) -> bool {
    let lower = |at: usize| word.get(at).and_then(|c| c.to_lowercase().next());
    (0..word.len()).filter(|&at| !word[at].is_ascii()).any(|at| {
        let (c, before) = (word[at], at.checked_sub(1).map(|at| word[at]));
        let is_letter = |c: Option<&char>| c.is_some_and(|c| c.is_alphabetic());
        if NOT_AFTER_A_LETTER.contains(c) {
            return is_letter(before.as_ref());
        }
        if !c.is_alphabetic() {
            let is_between = is_letter(before.as_ref()) && is_letter(word.get(at + 1));
            return c.is_control() || is_between && !BETWEEN_LETTERS.contains(c);
        }
        let is_small_among_large = c.is_lowercase() && !"ªº".contains(c) && before.is_some_and(char::is_uppercase) && {
            word.get(at + 1).map_or(at > 1, |next| next.is_uppercase())
        };
        let is_misplaced_cedilla =
            lower(at) == Some('ç') && !is_cedilla_in_place(at.checked_sub(1).and_then(lower), lower(at + 1));
        is_small_among_large || is_misplaced_cedilla || lower(at).is_some_and(|c| !USUAL.contains(c))
    })
}

impl fmt::Display for OtherText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dos => {
                "text of DOS (code page 850): save the file as CSV UTF-8, or convert it (iconv -f CP850 -t UTF-8)"
            }
            Self::Mac => "text of Mac OS: save the file as CSV UTF-8, or convert it (iconv -f MACINTOSH -t UTF-8)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, table: &[(u8, char)]) -> Vec<u8> {
        let byte = |c: char| match u8::try_from(u32::from(c)) {
            Ok(byte) if c.is_ascii() => byte,
            _ => table.iter().find_map(|(byte, letter)| (*letter == c).then_some(*byte)).unwrap(),
        };
        text.chars().map(byte).collect()
    }

    const NAMES: [&str; 12] = [
        "Fazenda São João",
        "FAZENDA SÃO JOÃO",
        "Irmã",
        "José",
        "JOSÉ",
        "Conceição, Marília",
        "AVIÕES",
        "Antônio",
        "ESTÂNCIA",
        "Três Irmãos do Paraná",
        "PÔR DO SOL",
        "AÇAÍ",
    ];

    #[test]
    fn names_of_dos_and_mac_os_are_recognized() {
        for name in NAMES {
            assert_eq!(OtherText::of(&encoded(name, &DOS)), Some(OtherText::Dos), "{name}");
        }
        // `AVIÍES` is a name in Windows-1252 as well.
        for name in NAMES.iter().filter(|name| **name != "AVIÕES") {
            assert_eq!(OtherText::of(&encoded(name, &MAC)), Some(OtherText::Mac), "{name}");
        }
    }

    #[test]
    fn names_in_windows_1252_are_not_mistaken() {
        for name in [
            "Fazenda São João da Estância",
            "FAZENDA SÃO JOÃO",
            "POÇO",
            "Força, FORÇA",
            "Müller, Schröder, Schäfer, Ökonom",
            "Cañón",
            "FazendaÁgua",
            "1ª Fazenda Nº 5",
            "Açaí, Itapuã, AMANHÃ",
            "“São João”",
            "ÍNDIA Índia",
            "à beira",
        ] {
            let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(name);
            assert_eq!(OtherText::of(&bytes), None, "{name}");
        }
    }
}
