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
                // JSON strings cannot contain a line feed: the closing quote is missing.
                b'"' | b'\n' => self.in_text = false,
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

/// Returns the objects of a line with several, or with a comma after the only one; empty if the line is a single message of
/// any kind.
pub(super) fn split(line: &[u8]) -> Vec<&[u8]> {
    let is_one = line.starts_with(b"{") && memchr::memchr(b'}', line) == Some(line.len() - 1);
    if is_one {
        return Vec::new(); // the usual line, found without a scan of every byte
    }
    let (mut found, mut rest) = (Vec::new(), line);
    let is_array = line.trim_ascii_start().starts_with(b"[");
    if is_array {
        rest = line.trim_ascii().strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(rest);
    }
    loop {
        let from = rest.iter().position(|byte| !is_between(*byte)).unwrap_or(rest.len());
        rest = &rest[from..];
        if rest.is_empty() {
            let has_comma = line.trim_ascii_end().ends_with(b",");
            return if found.len() > 1 || is_array || has_comma { found } else { Vec::new() };
        }
        let mut scan = Scan::default();
        let end =
            rest.first().filter(|byte| **byte == b'{').and_then(|_| rest.iter().position(|&byte| scan.ends_with(byte)));
        let Some(end) = end else { return Vec::new() };
        found.push(&rest[..=end]);
        rest = &rest[end + 1..];
    }
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

/// Objects of an input, read one by one in bounded memory.
#[derive(Debug)]
pub(super) struct Objects<R> {
    input: R,
    decoder: LineDecoder,
    /// Current line, from 1.
    line: u64,
    ended: bool,
    /// Arrays that were opened and not closed.
    open: u64,
}

impl<R: BufRead> Objects<R> {
    pub(super) fn new(input: R, decoder: LineDecoder) -> Self {
        Self { input, decoder, line: 1, ended: false, open: 0 }
    }

    /// Returns the next object, or other content up to the end of its line; `None` after an error.
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
        let Some(first) = self.skip_between()? else {
            return if self.open == 0 { Ok(None) } else { Err(open_array()) };
        };
        let (number, is_object) = (self.line, first == b'{');
        let (mut text, mut scan, mut line_begins) = (Vec::new(), Scan::default(), false);
        while let Some(byte) = self.peek()? {
            if (line_begins && byte == b'{') || byte == RECORD_SEPARATOR || (!is_object && byte == b'\n') {
                break; // a truncated object before the next one, or a line that is not an object
            }
            line_begins = byte == b'\n';
            self.line += u64::from(line_begins);
            self.input.consume(1);
            if text.len() < MAX_LINE_BYTES {
                text.push(byte); // a text that is too long is rejected later
            }
            if is_object && scan.ends_with(byte) {
                break;
            }
        }
        Ok(Some(Line { number, text: text.trim_ascii_end().to_vec() }))
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
            self.line += u64::from(byte == b'\n');
            self.input.consume(1);
        }
        Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(u64, String)> {
        let mut objects = Objects::new(text.as_bytes(), LineDecoder::default());
        std::iter::from_fn(|| objects.next())
            .map(|found| found.unwrap())
            .map(|line| (line.number, String::from_utf8(line.text).unwrap()))
            .collect()
    }

    #[test]
    fn objects_are_found_in_arrays_over_lines_and_behind_one_another() {
        let expected = [r#"{"a":"}{,"}"#, r#"{"b":[1,{"c":2}]}"#];
        let [a, b] = expected;
        for text in [
            format!("[{a},{b}]"),
            format!("{a}{b}"),
            format!("[\n{a},\n{b}\n]\n"),
            format!("\u{feff}{a}\u{feff}{b}"),
            format!(",\n{a},\n{b}\n]\n"),
            format!("\x1e{a}\n\x1e{b}\n"),
        ] {
            assert_eq!(all(&text).into_iter().map(|(_, text)| text).collect::<Vec<_>>(), expected, "{text}");
        }
        assert_eq!(
            all("{\n  \"a\": 1\n}\n{\n  \"b\": 2\n}"),
            [(1, "{\n  \"a\": 1\n}".into()), (4, "{\n  \"b\": 2\n}".into())]
        );
    }

    #[test]
    fn an_array_without_its_end_is_an_error_after_its_objects() {
        let read = |text: &str| {
            let mut objects = Objects::new(text.as_bytes(), LineDecoder::default());
            let found: Vec<_> = std::iter::from_fn(|| objects.next()).collect();
            (found.iter().filter(|found| found.is_ok()).count(), found.last().is_some_and(Result::is_err))
        };
        for (text, cut) in [
            ("[{\"a\":1},\n{\"b\":2},\n", true),
            ("[{\"a\":1},{\"b\":2}", true),
            ("[{\"a\":1}]\n[{\"b\":2}", true),
            ("[{\"a\":1}]\n[{\"b\":2}]", false),
            ("[{\"a\":1},{\"b\":[2]}]\x1a", false),
            ("{\"a\":1}]{\"b\":2}", false),
        ] {
            assert_eq!(read(text), (2, cut), "{text}");
        }
        assert_eq!(read("["), (0, true));
        assert!(is_open_array(b" [{\"a\":1}, ") && !is_open_array(b"[{}] ") && !is_open_array(b"{\"a\":[1"));
    }

    #[test]
    fn a_truncated_object_does_not_affect_others() {
        let found = all("{\"a\":1,\"b\":\"x\n{\"c\":2}\nwhat?\n{\"d\":3}");
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["{\"a\":1,\"b\":\"x", "{\"c\":2}", "what?", "{\"d\":3}"]);
        let found = all("\x1e{\"a\":\x1e{\"c\":2}\nwhat?\x1e{\"d\":3}");
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["{\"a\":", "{\"c\":2}", "what?", "{\"d\":3}"]);
    }

    #[test]
    fn layouts_beyond_a_line_are_distinguished_from_lines() {
        for text in ["{\"a\":1}{\"b\":2}\n", "{\"a\":1}, {\"b\":2}", "{\n\"a\":1}", "{\"a\":\n1}"] {
            assert_eq!(goes_beyond_a_line(text.as_bytes()), text != "{\"a\":\n1}", "{text}");
        }
        for text in
            ["{\"a\":1}\n{\"b\":2}\n", "{\"a\":\"}{\"}\n", "{\"a\":1\n{\"b\":2}", "{\"a\":1}", "{\"a\":1}\n,,,\na,b"]
        {
            assert!(!goes_beyond_a_line(text.as_bytes()), "{text}");
        }
        for text in ["{\"a\":1},\n{\"b\":2}", "{\"a\":1}\n, {\"b\":2}", "{\"a\":1}\n]\n", "{\"a\":1},\n", "{\"a\":1}]"]
        {
            assert!(goes_beyond_a_line(text.as_bytes()), "{text}");
        }
        for (text, expected) in [(",\n{", true), ("\x1e\x1e{", true), (",,{", false), ("{", false), ("\x1e", false)] {
            assert_eq!(follows_separator(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(split(b"{\"a\":1},"), [b"{\"a\":1}"]);
        assert_eq!(split(b"{\"a\":1} ,{\"b\":\"}{\"}").len(), 2);
        for one in [&b"{\"a\":1}"[..], b"{\"a\":1}x{", b"{\"a\":1", b""] {
            assert!(split(one).is_empty());
        }
    }
}
