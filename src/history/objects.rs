//! Finds JSON objects in any arrangement: in an array or a part of one, on several lines, consecutive without line feeds,
//! or as a text sequence (RFC 7464).
//!
//! An unclosed object ends where a line starts the next object, so that a truncated message does not affect others.

use std::io::{self, BufRead};

use pipeline::record::Column;

use super::cause::Cause;
use super::lines::{Line, MAX_LINE_BYTES};
use super::settings::Encoding;
use super::text::LineDecoder;

/// Character before each object of a text sequence (RFC 7464).
const RECORD_SEPARATOR: u8 = 0x1e;

/// State of a scan within an object.
#[derive(Debug, Default)]
struct Scan {
    depth: u32,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// Processes the next byte; returns true if the object ends with it.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                // JSON strings cannot contain a line end: the closing quote is missing.
                b'"' | b'\n' | b'\r' => self.in_text = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

/// Returns true if an object does not end on its line, another one starts after it on the same line, or it is followed by
/// the comma or the end of an array whose start is missing.
pub(super) fn goes_beyond_a_line(text: &[u8]) -> bool {
    let mut scan = Scan::default();
    for (at, &byte) in text.iter().enumerate() {
        if byte == b'\n' || byte == b'\r' {
            return text[..at].last() == Some(&b'{') || begins_a_member(&text[at..]);
        }
        if scan.ends_with(byte) {
            let rest = &text[at + 1..];
            let line = rest.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
            return matches!(first_of(line), Some(b'{' | b'[')) || continues_array(skip_space(rest));
        }
    }
    false
}

/// Returns true if the text after an object is in an array: its end, or a comma before the next object or the end of the
/// text. CSV rows of commas alone may follow an object too.
fn continues_array(rest: &[u8]) -> bool {
    rest.starts_with(b"]")
        || rest.strip_prefix(b",").is_some_and(|rest| matches!(skip_space(rest).first(), None | Some(b'{' | b']')))
}

/// Returns true if a text starts with an object after the comma of an array whose start is missing, or after the character
/// that starts a record of a text sequence.
pub(super) fn follows_separator(text: &[u8]) -> bool {
    let records = text.iter().take_while(|byte| **byte == RECORD_SEPARATOR).count();
    let rest = if records > 0 { Some(&text[records..]) } else { text.strip_prefix(b",") };
    rest.is_some_and(|rest| skip_space(rest).starts_with(b"{"))
}

/// Returns true if the next line continues an object instead of starting one; otherwise the line before may be
/// truncated.
fn begins_a_member(rest: &[u8]) -> bool {
    matches!(rest.trim_ascii_start().first(), Some(b'"' | b'}'))
}

/// Returns true if a line starts with the name of a member, so that the line before starts its object.
pub(super) fn is_member(line: &[u8]) -> bool {
    let text = skip_space(line);
    end_of_string(text).is_some_and(|end| skip_space(&text[end..]).starts_with(b":"))
}

/// Returns the name of the first member of an object whose value is a list of objects, if no member before it is a field
/// of a reading: the object is a wrapper of readings. `None` if there is no such member in the text.
pub(super) fn wrapper(text: &[u8]) -> Option<String> {
    let mut rest = text.strip_prefix(b"{")?;
    loop {
        rest = skip_space(rest);
        let end = end_of_string(rest)?;
        let name: String = serde_json::from_slice(&rest[..end]).ok()?;
        rest = skip_space(skip_space(&rest[end..]).strip_prefix(b":")?);
        if rest.first() == Some(&b'[') && skip_space(&rest[1..]).first() == Some(&b'{') {
            return Some(name);
        }
        if Column::from_name(&name).is_some() {
            return None;
        }
        let mut scan = Scan::default();
        let end = match rest.first()? {
            b'{' | b'[' => rest.iter().position(|&byte| scan.ends_with(byte))? + 1,
            b'"' => end_of_string(rest)?,
            _ => rest.iter().position(|byte| matches!(byte, b',' | b'}' | b'\n'))?,
        };
        rest = skip_space(&rest[end..]).strip_prefix(b",")?;
    }
}

fn skip_space(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// Returns the length of the JSON string at the start of a text; `None` if there is none.
fn end_of_string(text: &[u8]) -> Option<usize> {
    let content = text.strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = content.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some(end + 2)
}

/// Returns the first byte that is neither white space nor a comma.
fn first_of(text: &[u8]) -> Option<u8> {
    text.iter().copied().find(|byte| !byte.is_ascii_whitespace() && *byte != b',')
}

/// Returns the parts of a line with several objects, or with a comma after the only one: its objects, and other content
/// between them. Empty if the line is a single message of any kind.
pub(super) fn split(line: &[u8]) -> Vec<Vec<u8>> {
    let is_one = line.starts_with(b"{") && memchr::memchr(b'}', line) == Some(line.len() - 1);
    if is_one {
        return Vec::new(); // the usual line, found without a scan of every byte
    }
    let mut objects = Objects::new(line, LineDecoder::default());
    // An array without its end is an error of the file and not of its objects.
    let parts: Vec<_> = std::iter::from_fn(|| objects.read().ok().flatten()).map(|Line { text, .. }| text).collect();
    let is_array = line.trim_ascii_start().starts_with(b"[");
    let has_comma = line.trim_ascii_end().ends_with(b",");
    let found = parts.iter().filter(|part| part.starts_with(b"{")).count();
    if found > 1 || is_array || has_comma && parts.len() == 1 { parts } else { Vec::new() }
}

/// Returns true if a line starts an array of objects and does not end it: the rest of the array is missing.
pub(super) fn is_open_array(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"[") && !line.trim_ascii_end().ends_with(b"]")
}

/// Returns the error for an input that ends within an array.
pub(super) fn open_array() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the ] of its array is missing")
}

/// Returns true for white space, commas, record separators, the bytes of a byte order mark, and the end of a DOS file,
/// which may be between objects.
fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b'\xef' | b'\xbb' | b'\xbf' | b'\x1a' | RECORD_SEPARATOR)
}

/// Returns where an object begins whose first characters end a text: a brace, a quote, and the first character of a name.
fn begin_of_object(text: &[u8]) -> Option<usize> {
    let (last, rest) = text.split_last()?;
    let is_name = last.is_ascii_alphanumeric() || *last == b'_' || !last.is_ascii();
    let rest = rest.strip_suffix(b"\"").filter(|_| is_name)?.trim_ascii_end();
    rest.ends_with(b"{").then(|| rest.len() - 1)
}

/// Objects of an input, read one by one in bounded memory.
#[derive(Debug)]
pub(super) struct Objects<R> {
    input: R,
    decoder: LineDecoder,
    /// Current line, from 1.
    line: u64,
    /// Whether the last byte was a carriage return, which ends a line alone or with a line feed.
    after_return: bool,
    ended: bool,
    /// Arrays that were opened and not closed.
    open: u64,
    /// First characters of the next object, which were read with the content before it.
    started: Vec<u8>,
}

impl<R: BufRead> Objects<R> {
    pub(super) fn new(input: R, decoder: LineDecoder) -> Self {
        Self { input, decoder, line: 1, after_return: false, ended: false, open: 0, started: Vec::new() }
    }

    /// Returns the next object, or other content before or after it; `None` after an error.
    pub(super) fn next(&mut self) -> Option<Result<Line, Cause>> {
        if self.ended {
            return None;
        }
        let found = match self.read() {
            Ok(None) => Ok(None),
            Ok(Some(Line { number, text })) => {
                self.decoder.decode(text, number).map(|text| Some(Line { number, text }))
            }
            Err(why) => Err(Cause::Broken { line: self.line, why }),
        };
        self.ended = !matches!(found, Ok(Some(_)));
        found.transpose()
    }

    /// Returns the encoding of the file as far as it was read.
    pub(super) fn encoding(&self) -> Encoding {
        self.decoder.encoding()
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let is_object = !self.started.is_empty()
            || match self.skip_between()? {
                Some(first) => first == b'{',
                None if self.open == 0 => return Ok(None),
                None => return Err(open_array()),
            };
        let number = self.line;
        let text = if is_object { self.object()? } else { self.other()? };
        Ok(Some(Line { number, text: text.trim_ascii_end().to_vec() }))
    }

    /// Reads an object. A truncated one ends before the next one.
    fn object(&mut self) -> io::Result<Vec<u8>> {
        let (mut text, mut scan, mut line_begins) = (std::mem::take(&mut self.started), Scan::default(), false);
        text.iter().for_each(|byte| _ = scan.ends_with(*byte));
        while let Some(byte) = self.peek()? {
            if (line_begins && byte == b'{') || byte == RECORD_SEPARATOR {
                break;
            }
            line_begins = matches!(byte, b'\n' | b'\r');
            self.advance(byte);
            if text.len() < MAX_LINE_BYTES {
                text.push(byte); // a text that is too long is rejected later
            }
            if scan.ends_with(byte) {
                break;
            }
        }
        Ok(text)
    }

    /// Reads content that is not an object: a value of an array, or text up to the end of its line or the next object.
    fn other(&mut self) -> io::Result<Vec<u8>> {
        let (mut text, mut in_text, mut escaped) = (Vec::new(), false, false);
        while let Some(byte) = self.peek()? {
            match byte {
                b'\n' | b'\r' | RECORD_SEPARATOR => break,
                b',' | b']' if self.open > 0 && !in_text => break,
                _ => {}
            }
            in_text ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            self.advance(byte);
            if text.len() >= MAX_LINE_BYTES {
                continue;
            }
            text.push(byte);
            // Also within a text, because a quote may be missing. Quotes of JSON in a text are escaped.
            if let Some(at) = begin_of_object(&text) {
                self.started = text.split_off(at);
                break;
            }
        }
        Ok(text)
    }

    /// Skips the bytes between objects, and returns the byte that follows.
    fn skip_between(&mut self) -> io::Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            match byte {
                b'[' => self.open += 1,
                b']' => self.open = self.open.saturating_sub(1),
                _ if is_between(byte) => {}
                _ => return Ok(Some(byte)),
            }
            self.advance(byte);
        }
        Ok(None)
    }

    /// Continues after the next byte.
    fn advance(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\r' || byte == b'\n' && !self.after_return);
        self.after_return = byte == b'\r';
        self.input.consume(1);
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}
