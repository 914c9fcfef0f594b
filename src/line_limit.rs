//! Limit on the length of a line, so that a compressed file of one endless line does not fill the memory.

use std::io::{self, BufRead, Read};

/// Returns the error about a line that is too long.
fn too_long(max: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("has a line of more than {max} bytes: it is damaged"))
}

/// Reads a line with its line feed, as [`BufRead::read_until`] does, and appends it to `line`.
///
/// # Errors
///
/// Returns an error if the line has more than `max` bytes, or cannot be read.
pub(crate) fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>, max: usize) -> io::Result<usize> {
    let read = from.by_ref().take(max as u64 + 1).read_until(b'\n', line)?;
    if read > max { Err(too_long(max)) } else { Ok(read) }
}

/// Content that ends with an error at a line that is too long.
pub(crate) struct LineLimit<R> {
    content: R,
    /// Number of bytes since the last line feed.
    length: usize,
    max: usize,
}

impl<R> LineLimit<R> {
    /// Limits the lines of a content to `max` bytes.
    pub(crate) const fn new(content: R, max: usize) -> Self {
        Self { content, length: 0, max }
    }
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(out)?;
        for part in out[..read].split_inclusive(|byte| *byte == b'\n') {
            self.length += part.len();
            if self.length > self.max {
                return Err(too_long(self.max));
            }
            if part.ends_with(b"\n") {
                self.length = 0;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_have_the_maximum_and_no_more() {
        let text = b"1234\n\n12345\n1234";
        for (max, lines) in [(6, Some(4)), (5, None)] {
            let (mut rest, mut line, mut found) = (&text[..], Vec::new(), 0);
            let read = loop {
                line.clear();
                match read_line(&mut rest, &mut line, max) {
                    Ok(0) => break Some(found),
                    Ok(_) => found += 1,
                    Err(e) => break Some(found).filter(|_| !e.to_string().contains("more than 5 bytes")),
                }
            };
            assert_eq!(read, lines);
            let mut content = Vec::new();
            let limited = LineLimit::new(io::BufReader::with_capacity(3, &text[..]), max).read_to_end(&mut content);
            assert_eq!(limited.is_ok(), lines.is_some());
        }
    }
}
