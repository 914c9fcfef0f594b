//! UTF-16 as UTF-8: detection by a byte order mark or by zero bytes, and a reader that converts.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE};

use super::settings::Encoding;

/// Bytes of the beginning that show UTF-16 without a byte order mark.
const SAMPLE: usize = 64;

/// Encoding of a file in UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Utf16 {
    /// The file starts with a byte order mark.
    Marked(Encoding),
    /// Every other byte of the beginning is zero, as in ASCII characters.
    Unmarked(Encoding),
}

/// Returns the byte order of a file in UTF-16; `None` for any other file.
pub(super) fn detect(head: &[u8]) -> Option<Utf16> {
    match head {
        [0xff, 0xfe, ..] => return Some(Utf16::Marked(Encoding::Utf16Le)),
        [0xfe, 0xff, ..] => return Some(Utf16::Marked(Encoding::Utf16Be)),
        _ => {}
    }
    let sample = &head[..head.len().min(SAMPLE)];
    let (pairs, rest) = sample.as_chunks::<2>();
    if pairs.len() < 4 || (sample.len() < SAMPLE && !rest.is_empty()) {
        return None;
    }
    if pairs.iter().all(|[low, high]| *low != 0 && *high == 0) {
        Some(Utf16::Unmarked(Encoding::Utf16Le))
    } else if pairs.iter().all(|[high, low]| *low != 0 && *high == 0) {
        Some(Utf16::Unmarked(Encoding::Utf16Be))
    } else {
        None
    }
}

/// Size of the buffer of converted text, in bytes.
const ROOM: usize = 64 * 1024;

/// Reader that converts UTF-16 to UTF-8 and removes the byte order mark.
pub(super) struct ToUtf8<R> {
    input: R,
    decoder: Decoder,
    /// Converted text, of which the part from `at` to `end` is not read yet.
    text: Box<[u8]>,
    at: usize,
    end: usize,
    ended: bool,
}

impl<R: BufRead> ToUtf8<R> {
    /// Creates a reader of UTF-16 with this byte order.
    pub(super) fn new(input: R, order: Encoding) -> Self {
        let encoding = if order == Encoding::Utf16Be { UTF_16BE } else { UTF_16LE };
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { input, decoder, text: vec![0; ROOM].into(), at: 0, end: 0, ended: false }
    }
}

impl<R: BufRead> BufRead for ToUtf8<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.end && !self.ended {
            let buffer = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            let is_last = buffer.is_empty();
            let (result, used, written) =
                self.decoder.decode_to_utf8_without_replacement(buffer, &mut self.text, is_last);
            self.input.consume(used);
            if let DecoderResult::Malformed(..) = result {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-16"));
            }
            self.ended = is_last && result == DecoderResult::InputEmpty;
            (self.at, self.end) = (0, written);
        }
        Ok(&self.text[self.at..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl<R: BufRead> Read for ToUtf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, order: Encoding) -> Vec<u8> {
        let bytes = if order == Encoding::Utf16Be { u16::to_be_bytes } else { u16::to_le_bytes };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf_16_becomes_utf_8_in_any_pieces() {
        let text = "id;São João;🐄\r\n".repeat(500);
        for order in [Encoding::Utf16Le, Encoding::Utf16Be] {
            for mark in ["", "\u{feff}"] {
                let bytes = encoded(&format!("{mark}{text}"), order);
                let mut reader = ToUtf8::new(io::BufReader::with_capacity(7, &bytes[..]), order);
                let mut found = String::new();
                reader.read_to_string(&mut found).unwrap();
                assert!(found == text);
            }
        }
        let cut = encoded("🐄", Encoding::Utf16Le);
        let mut found = Vec::new();
        let e = ToUtf8::new(&cut[..3], Encoding::Utf16Le).read_to_end(&mut found).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn the_byte_order_is_detected_with_and_without_a_mark() {
        for order in [Encoding::Utf16Le, Encoding::Utf16Be] {
            assert_eq!(detect(&encoded("\u{feff}id", order)), Some(Utf16::Marked(order)));
            assert_eq!(detect(&encoded("id_curral;id_raca", order)), Some(Utf16::Unmarked(order)));
            assert_eq!(detect(&encoded(&"id_curral;".repeat(50), order)), Some(Utf16::Unmarked(order)));
        }
        for other in [&b"id_curral"[..], b"\0\0\0\0\0\0\0\0", b"", b"i\0", b"\x01\0\x02\0\x03\0x\x04\0\0"] {
            assert_eq!(detect(other), None, "{other:?}");
        }
    }
}
