//! Encoding of the lines of a text file: UTF-8, or Windows-1252 if stated.
//!
//! A file in UTF-8 is read as such even if another encoding is stated, so that a directory may contain both. A file that
//! mixes them is rejected, because a line of it could be read in two ways.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use pipeline::record::{Reading, Rejection};

use super::cause::Cause;
use super::other_text::OtherText;
use super::settings::Encoding;

/// Characters between letters that show that text is not Windows-1252: what the accented letters of DOS (code page 850)
/// and of Mac OS look like in it.
const NOT_BETWEEN_LETTERS: &str = "€‚ƒ„…†‡ˆ‰‹›“”•˜™¡¢£¤¥µ¶Æ";

/// Decoder of the lines of one file.
#[derive(Debug, Default)]
pub(super) struct LineDecoder {
    /// Stated encoding; `None` if the file should be UTF-8.
    stated: Option<Encoding>,
    /// First line with UTF-8 beyond ASCII.
    utf8: Option<u64>,
    /// First line that is not UTF-8.
    other: Option<u64>,
}

impl LineDecoder {
    pub(super) fn new(stated: Option<Encoding>) -> Self {
        Self { stated: stated.filter(|encoding| *encoding == Encoding::Windows1252), ..Self::default() }
    }

    /// Returns the encoding of the file as far as it was read.
    pub(super) fn encoding(&self) -> Encoding {
        self.other.and(self.stated).unwrap_or(Encoding::Utf8)
    }

    /// Returns a line in UTF-8. Without a stated encoding, a line is returned unchanged.
    ///
    /// # Errors
    /// Returns an error if the file mixes encodings, or is not in the stated one.
    pub(super) fn decode(&mut self, line: Vec<u8>, number: u64) -> Result<Vec<u8>, Cause> {
        if is_utf16(&line) {
            return Err(Cause::Rejected(format!(
                "line {number} is UTF-16 and lines before it are not: was it appended by PowerShell? save the file as UTF-8"
            )));
        }
        if self.stated.is_none() || line.is_ascii() {
            return Ok(line);
        }
        let is_utf8 = std::str::from_utf8(&line).is_ok();
        if is_utf8 {
            self.utf8.get_or_insert(number)
        } else {
            self.other.get_or_insert(number)
        };
        if let (Some(utf8), Some(other)) = (self.utf8, self.other) {
            return Err(Cause::Rejected(format!(
                "it mixes encodings: line {utf8} is UTF-8, line {other} is not; convert the parts one by one, or pass \
                 --encoding utf-8 to reject such lines one by one"
            )));
        }
        if is_utf8 {
            return Ok(line);
        }
        let text = windows_1252(&line);
        if is_plausible(&text) && OtherText::of(&line).is_none() {
            Ok(text.into_owned().into_bytes())
        } else {
            Err(Cause::Rejected(format!("line {number} is {}", neither(&line))))
        }
    }
}

/// Checks a message that is not UTF-8 in a file without a stated encoding.
///
/// # Errors
/// Returns an error if the message is text in another encoding. Any other bytes are damaged text, and rejected with
/// their message.
pub(super) fn reject_other_text(message: &[u8], line: u64) -> Result<(), Cause> {
    if std::str::from_utf8(message).is_ok() {
        return Ok(());
    }
    let text = windows_1252(message);
    match Reading::parse(text.as_bytes()) {
        Err(Rejection::NotJson { .. } | Rejection::NotObject { .. } | Rejection::TooLarge { .. }) => Ok(()),
        _ => Err(Cause::Rejected(format!("line {line} is {}", advice(message, &text)))),
    }
}

/// Returns what a text is that is not UTF-8, and what to do.
fn advice(line: &[u8], text: &str) -> String {
    if is_plausible(text) && OtherText::of(line).is_none() {
        "not UTF-8 but probably Windows-1252: pass --encoding windows-1252, or convert the file to UTF-8".into()
    } else {
        neither(line)
    }
}

fn neither(line: &[u8]) -> String {
    match OtherText::of(line) {
        Some(other) => format!("neither UTF-8 nor Windows-1252 but probably {other}"),
        None => "neither UTF-8 nor Windows-1252 text (DOS or Mac OS?): save the file as CSV UTF-8".into(),
    }
}

/// Returns true for a line in which every other byte is zero, in a file that is not UTF-16 as a whole.
fn is_utf16(line: &[u8]) -> bool {
    let zeros = memchr::memchr_iter(0, line).count();
    zeros >= 8 && zeros * 5 >= line.len() * 2 && !line.windows(2).any(|pair| pair == [0, 0])
}

/// Returns the reason to reject a header that is not UTF-8; `None` if it is.
pub(super) fn not_utf8(header: &[u8]) -> Option<String> {
    std::str::from_utf8(header).is_err().then(|| format!("its header is {}", advice(header, &windows_1252(header))))
}

/// Returns text for detection, in any encoding.
pub(super) fn for_detection(head: &[u8]) -> Cow<'_, [u8]> {
    let valid = match std::str::from_utf8(head) {
        Err(e) => e.error_len().is_none(), // the head ends within a character
        Ok(_) => true,
    };
    if valid {
        return Cow::Borrowed(head);
    }
    match windows_1252(head) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn windows_1252(bytes: &[u8]) -> Cow<'_, str> {
    WINDOWS_1252.decode_without_bom_handling(bytes).0
}

/// Returns true if text that was decoded as Windows-1252 contains no unassigned bytes, and no symbols between letters.
fn is_plausible(text: &str) -> bool {
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_within = before.is_alphabetic() && chars.peek().is_some_and(|next| next.is_alphabetic());
        if ('\u{80}'..='\u{9f}').contains(&c) || (is_within && NOT_BETWEEN_LETTERS.contains(c)) {
            return false;
        }
        before = c;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(stated: Option<Encoding>, lines: &[&[u8]]) -> Result<Vec<String>, String> {
        let mut decoder = LineDecoder::new(stated);
        let decoded = lines.iter().zip(1..).map(|(line, number)| decoder.decode(line.to_vec(), number));
        decoded
            .map(|line| line.map(|line| String::from_utf8_lossy(&line).into_owned()).map_err(|e| e.to_string()))
            .collect()
    }

    const WINDOWS: Option<Encoding> = Some(Encoding::Windows1252);

    #[test]
    fn windows_1252_is_decoded_and_utf_8_is_left_as_it_is() {
        assert_eq!(decode(WINDOWS, &[b"a", b"S\xe3o Jo\xe3o", b"\x80 5"]).unwrap(), ["a", "São João", "€ 5"]);
        assert_eq!(decode(WINDOWS, &["São".as_bytes(), b"b"]).unwrap(), ["São", "b"]);
        assert_eq!(LineDecoder::new(WINDOWS).encoding(), Encoding::Utf8);
    }

    #[test]
    fn a_mixed_file_is_rejected_with_both_lines() {
        let why = decode(WINDOWS, &[b"a", "São".as_bytes(), b"S\xe3o"]).unwrap_err();
        assert!(why.contains("line 2 is UTF-8, line 3 is not"), "{why}");
    }

    #[test]
    fn dos_and_mac_text_is_not_read_as_windows_1252() {
        for line in [&b"S\xc6o Jo\xc6o"[..], b"A\x87a\xa1 do Norte", b"S\x8bo Jo\x8bo", b"a\x81b", b"Ant\x93nio"] {
            let why = decode(WINDOWS, &[line]).unwrap_err();
            assert!(why.contains("CSV UTF-8"), "{why}");
        }
    }

    #[test]
    fn text_of_other_systems_is_named() {
        for (line, name) in
            [(&b"FAZENDA S\xc7O JO\xc7O"[..], "DOS (code page 850)"), (b"Irm\xc6", "DOS"), (b"S\x8bo", "Mac OS")]
        {
            let why = decode(WINDOWS, &[line]).unwrap_err();
            assert!(why.contains(name) && why.contains("iconv"), "{why}");
        }
    }

    #[test]
    fn lines_of_utf_16_in_another_file_reject_it() {
        let utf16: Vec<u8> = "id_curral;1".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for stated in [None, WINDOWS] {
            let why = decode(stated, &[b"a;b", &utf16]).unwrap_err();
            assert!(why.starts_with("line 2 is UTF-16"), "{why}");
        }
        for padded in [&b"FazendaUm\0\0\0\0\0\0\0\0\0\0\0\0"[..], b"a\0b", b"1,2,3,FazendaUm\0"] {
            assert!(decode(None, &[padded]).is_ok());
        }
    }

    #[test]
    fn without_a_stated_encoding_only_text_is_rejected_as_a_file() {
        assert!(reject_other_text(b"{\"cod_cliente\":\"S\xe3o\"}", 7).unwrap_err().to_string().contains("--encoding"));
        for damaged in [&b"\xff\xfe"[..], b"{\"cod_cliente\":\"S\xe3o", b"{}"] {
            assert!(reject_other_text(damaged, 7).is_ok());
        }
    }
}
