//! First bytes of an input, from which its format is detected. A pipe may deliver them one by one.

use std::io::{self, BufRead};

use super::cause::Cause;

/// Number of bytes examined to detect the dialect of a file.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// Number of bytes that show the container.
const MAGIC_BYTES: usize = 4;

/// An input whose first bytes were read.
#[derive(Debug)]
pub(super) struct Peeked<R> {
    head: Vec<u8>,
    used: usize,
    /// Error after the head; it is returned after the bytes of the head.
    error: Option<io::Error>,
    input: R,
}

/// Number of bytes of an input to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// A complete head: the input is a file, or nothing needs its messages before it ends.
    All,
    /// Enough to detect the format, that is a complete line of JSON, or the header and a row: a pipe may wait for its writer.
    Line,
    /// Enough to detect the container.
    Magic,
}

impl<R: BufRead> Peeked<R> {
    /// Reads the head of an input.
    ///
    /// # Errors
    /// Returns an error if nothing can be read. A later error is returned when the input is read that far.
    pub(super) fn read(mut input: R, wait: Wait) -> io::Result<Self> {
        let (mut head, mut error) = (Vec::new(), None);
        while head.len() < HEAD_BYTES && !is_enough(&head, wait) {
            match input.fill_buf() {
                Ok([]) => break,
                Ok(buffer) => {
                    head.extend_from_slice(buffer);
                    let used = buffer.len();
                    input.consume(used);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if head.is_empty() => return Err(e),
                Err(e) => {
                    error = Some(e);
                    break;
                }
            }
        }
        Ok(Self { head, used: 0, error, input })
    }
}

/// Returns true if the format can be detected from these bytes.
fn is_enough(head: &[u8], wait: Wait) -> bool {
    match wait {
        Wait::All => false,
        Wait::Magic => head.len() >= MAGIC_BYTES,
        Wait::Line => head.len() >= MAGIC_BYTES && has_lines(head),
    }
}

/// Returns true for a complete line of JSON, or two of any other text.
fn has_lines(head: &[u8]) -> bool {
    let Some(end) = memchr::memrchr(b'\n', head) else { return false };
    let lines = head[..end].split(|byte| *byte == b'\n').filter(|line| line.iter().any(u8::is_ascii_graphic));
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is_json = matches!(text.first(), Some(b'{' | b'[' | b'\x1e'));
    lines.take(2).count() >= if is_json { 1 } else { 2 }
}

impl<R: BufRead> io::Read for Peeked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut buffer = self.fill_buf()?;
        let read = buffer.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Peeked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used < self.head.len() {
            return Ok(&self.head[self.used..]);
        }
        match self.error.take() {
            Some(e) => Err(e),
            None => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, bytes: usize) {
        if self.used < self.head.len() {
            self.used += bytes;
        } else {
            self.input.consume(bytes);
        }
    }
}

/// Returns the cause for content whose first bytes cannot be read.
pub(super) fn unreadable(why: io::Error) -> Cause {
    match why.kind() {
        io::ErrorKind::Unsupported => Cause::Rejected(why.to_string()),
        _ => Cause::Broken { line: 0, why },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    /// Delivers one byte per read, and fails after the last one.
    struct Slow(&'static [u8], bool);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return if self.1 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(0) };
            };
            (out[0], self.0) = (*first, rest);
            Ok(1)
        }
    }

    fn head(text: &'static [u8], wait: Wait) -> Vec<u8> {
        let mut input = Peeked::read(BufReader::new(Slow(text, false)), wait).unwrap();
        let head = input.fill_buf().unwrap().to_vec();
        let mut all = Vec::new();
        input.read_to_end(&mut all).unwrap();
        assert_eq!(all, text);
        head
    }

    #[test]
    fn a_slow_input_is_read_until_its_format_can_be_detected() {
        assert_eq!(head(b"\x1f\x8b\x08\0\0\0", Wait::Magic), b"\x1f\x8b\x08\0");
        assert_eq!(head(b"{\n \"a\": 1\n}", Wait::Line), b"{\n \"");
        assert_eq!(head(b"\n\n{\"a\":1}\n{\"b\":2}\n", Wait::Line), b"\n\n{\"a\":1}\n");
        assert_eq!(
            head(b"\n\n\n\na,b\n\n1,2\n3,4\n", Wait::Line),
            b"\n\n\n\na,b\n\n1,2\n",
            "a header shows no dialect"
        );
        assert_eq!(head(b"ab", Wait::Line), b"ab");
        assert_eq!(head(b"a\nb\nc", Wait::All), b"a\nb\nc");
        assert_eq!(head(b"", Wait::All), b"");
    }

    #[test]
    fn an_error_comes_after_what_was_read_before_it() {
        let mut input = Peeked::read(BufReader::new(Slow(b"abc", true)), Wait::All).unwrap();
        let mut read = Vec::new();
        assert_eq!(input.read_to_end(&mut read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read, b"abc");
        assert!(Peeked::read(BufReader::new(Slow(b"", true)), Wait::All).is_err());
    }
}
