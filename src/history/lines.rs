//! Reads the lines of a file one by one, in bounded memory; a CSV row may span several lines.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::cause::Cause;
use super::csv::{Quotes, quotes};
use super::settings::Encoding;
use super::text::LineDecoder;

/// Maximum length of a line in memory. The limit of a message is far lower, so longer lines are rejected as too large
/// anyway.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Maximum number of lines and bytes of a row, so that an unclosed quote affects only its own line.
const MAX_ROW_LINES: usize = 100;
const MAX_ROW_BYTES: usize = 256 * 1024;

/// Line that is not blank.
#[derive(Debug)]
pub(super) struct Line {
    /// Number of the line in its file, from 1.
    pub number: u64,
    /// Text without trailing white space.
    pub text: Vec<u8>,
}

impl Line {
    /// Returns true if the line starts like a JSON object, or an array of objects.
    pub(super) fn is_json(&self) -> bool {
        let text = self.text.trim_ascii_start();
        text.starts_with(b"{") || text.strip_prefix(b"[").is_some_and(|text| text.trim_ascii_start().starts_with(b"{"))
    }
}

/// Lines of a file.
pub(super) struct Lines<R> {
    input: R,
    decoder: LineDecoder,
    number: u64,
    ahead: VecDeque<Line>,
    ended: bool,
    /// Whether the last line that was read ends with the file, without a line feed.
    is_unterminated: bool,
    /// Whether the last line that was read is longer than its text in memory.
    is_cut: bool,
}

/// Character with which DOS programs end a file, or fill its last block.
const DOS_END: u8 = 0x1a;

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, decoder: LineDecoder) -> Self {
        Self { input, decoder, number: 0, ahead: VecDeque::new(), ended: false, is_unterminated: false, is_cut: false }
    }

    /// Returns the encoding of the file as far as it was read.
    pub(super) fn encoding(&self) -> Encoding {
        self.decoder.encoding()
    }

    /// Returns true if any line was read, including blank ones.
    pub(super) fn any_read(&self) -> bool {
        self.number > 0
    }

    /// Returns true if the last line of the file has no line feed. If it is followed by others, it has one.
    pub(super) fn is_unterminated(&self) -> bool {
        self.is_unterminated && self.ahead.is_empty()
    }

    /// Returns true if the line that was returned last is longer than its text in memory.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut && self.ahead.is_empty()
    }

    /// Returns the line after the one that was returned last, which stays the next one.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(super) fn peek(&mut self) -> Result<Option<&Line>, Cause> {
        if self.ahead.is_empty()
            && let Some(next) = self.next()
        {
            self.ahead.push_back(next?);
        }
        Ok(self.ahead.front())
    }

    /// Returns the next line that is not blank; `None` after an error.
    pub(super) fn next(&mut self) -> Option<Result<Line, Cause>> {
        if let Some(line) = self.ahead.pop_front() {
            return Some(Ok(line));
        }
        while !self.ended {
            match self.read() {
                Ok(Some(line)) if line.text.is_empty() => {}
                Ok(Some(line)) => return Some(Ok(line)),
                Ok(None) => self.ended = true,
                Err(e) => {
                    self.ended = true;
                    return Some(Err(e));
                }
            }
        }
        None
    }

    fn read(&mut self) -> Result<Option<Line>, Cause> {
        let read = read_line(&mut self.input).map_err(|why| Cause::Broken { line: self.number, why })?;
        let Some((mut text, is_terminated)) = read else { return Ok(None) };
        self.number += 1;
        self.is_cut = text.len() == MAX_LINE_BYTES;
        self.is_unterminated = !is_terminated;
        self.ended = !is_terminated; // bytes that are appended later belong to this line
        if !is_terminated && text.last() == Some(&DOS_END) {
            let end = text.iter().rposition(|byte| *byte != DOS_END).map_or(0, |at| at + 1);
            text.truncate(end);
            self.is_unterminated = false;
        }
        let is_joined = text.iter().take_while(|byte| **byte == DOS_END).count();
        text.drain(..is_joined); // the end of the previous file, in joined files
        while text.last().is_some_and(|byte| byte.is_ascii_whitespace() && *byte != b'\t') {
            text.pop();
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            text.clear();
        }
        if text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3); // byte order mark, also in the middle of joined files
        }
        let text = self.decoder.decode(text, self.number)?;
        Ok(Some(Line { number: self.number, text }))
    }

    /// Returns the row that starts with this line. It includes the following lines while a quote is open, if the quote
    /// is closed properly, and none of these lines is a reading or a header alone, as `is_complete` returns.
    pub(super) fn read_csv_row(
        &mut self,
        line: Line,
        delimiter: u8,
        is_complete: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, Cause> {
        let mut row = line.text;
        if quotes(&row, delimiter) != Quotes::Open {
            return Ok(row);
        }
        let own = row.len();
        let mut taken = Vec::new();
        while taken.len() < MAX_ROW_LINES && row.len() < MAX_ROW_BYTES {
            let Some(next) = self.next() else { break };
            let next = next?;
            row.push(b'\n');
            row.extend_from_slice(&next.text);
            let is_row = is_complete(&next.text);
            taken.push(next);
            match quotes(&row, delimiter) {
                _ if is_row => break,
                Quotes::Open => {}
                Quotes::Closed => return Ok(row),
                Quotes::Broken => break,
            }
        }
        taken.into_iter().rev().for_each(|line| self.ahead.push_front(line));
        row.truncate(own);
        Ok(row)
    }
}

/// Reads a line up to LF, CRLF or a lone CR, and returns whether there was one of these; a line that is too long is
/// truncated. `None` at the end.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<(Vec<u8>, bool)>> {
    let mut text = Vec::new();
    let mut any = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if buffer.is_empty() {
            return Ok(any.then_some((text, false)));
        }
        any = true;
        let end = memchr::memchr2(b'\n', b'\r', buffer);
        let line = &buffer[..end.unwrap_or(buffer.len())];
        text.extend_from_slice(&line[..line.len().min(MAX_LINE_BYTES - text.len())]);
        let is_cr = end.is_some_and(|at| buffer[at] == b'\r');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if is_cr && input.fill_buf()?.first() == Some(&b'\n') {
            input.consume(1);
        }
        if end.is_some() {
            return Ok(Some((text, true)));
        }
    }
}
