//! Reads history files as farms deliver them: NDJSON or CSV with one message per reading, plain or compressed with gzip
//! or zstd.
//!
//! Files are read in bounded memory. Supported are lines that end in LF, CRLF or CR, byte order marks, a missing last
//! line feed, and any usual delimiter or decimal commas. Joined files may have headers in the middle, and split files
//! may have none. JSON lines may be among CSV rows. JSON may be in arrays, on several lines, or without line feeds.
//!
//! `dialect` detects the format once per file. [`pipeline::record`] interprets the messages.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::compression::{CompressionFormat, MaxExpansion, open_decompressed_within};
use crate::herd::LineFormat;

mod csv;
mod dialect;
mod lines;
mod objects;

use csv::Rows;
use dialect::{Foreign, Layout};
use lines::{Line, Lines};
use objects::Objects;

/// Number of bytes examined to detect the dialect of a file.
const HEAD_BYTES: usize = 64 * 1024;

/// Returns the format of a file by its extension, before `.gz` or `.zst`: `.csv` is CSV, anything else NDJSON.
pub fn format_of(path: &Path) -> LineFormat {
    let (_, path) = CompressionFormat::from_path(path);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
        LineFormat::Csv
    } else {
        LineFormat::Ndjson
    }
}

/// Message with its location in the input.
#[derive(Debug, Clone)]
pub struct InputMessage {
    /// Name of the file, `-` for standard input.
    pub file: Arc<str>,
    /// Number of the line, from 1.
    pub line: u64,
    /// Content of the message.
    pub body: Bytes,
}

/// Error for a file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct Error {
    file: PathBuf,
    source: io::Error,
}

/// Returns the messages of a file, `-` for standard input; blank lines are skipped.
///
/// # Errors
/// Returns an error if the file cannot be opened. If reading fails later, the last item is an error.
pub fn messages(path: &Path, format: Option<LineFormat>) -> Result<MessageIter, Error> {
    messages_within(path, format, MaxExpansion::DEFAULT)
}

/// Messages of a file.
pub type MessageIter = Box<dyn Iterator<Item = Result<InputMessage, Error>> + Send>;

/// Returns the messages of a file as [`messages`], with a limit on the size of its decompressed content.
///
/// # Errors
/// As [`messages`]. If the limit is exceeded, the last item is an error.
pub fn messages_within(path: &Path, format: Option<LineFormat>, max: MaxExpansion) -> Result<MessageIter, Error> {
    let failed = |source| Error { file: path.to_owned(), source };
    let input: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "is a directory: pass its files")));
        }
        Box::new(file)
    };
    let mut input = BufReader::with_capacity(HEAD_BYTES, open_decompressed_within(input, max).map_err(failed)?);
    // A single read returns what a pipe has, without waiting for more.
    let head = match input.fill_buf() {
        Ok(head) => head,
        Err(source) => return Ok(Box::new(std::iter::once(Err(failed(lines::truncated_error(source, 0)))))),
    };
    if let Some(foreign) = Foreign::of(head) {
        let foreign = io::Error::new(io::ErrorKind::InvalidData, foreign.to_string());
        return Ok(Box::new(std::iter::once(Err(failed(foreign)))));
    }
    let layout = dialect::layout(head, format.unwrap_or_else(|| format_of(path)));
    let mut messages = Messages {
        file: path.display().to_string().into(),
        body: match layout {
            Layout::Lines => Body::Lines(Lines::new(input), Rows::none()),
            Layout::Csv(csv) => Body::Lines(Lines::new(input), Rows::of(csv)),
            Layout::Objects => Body::Objects(Objects::new(input)),
        },
        ready: VecDeque::new(),
    };
    let file = path.to_owned();
    Ok(Box::new(std::iter::from_fn(move || {
        Some(messages.next()?.map_err(|source| Error { file: file.clone(), source }))
    })))
}

/// File that is being read.
struct Messages<R> {
    file: Arc<str>,
    body: Body<R>,
    /// Remaining messages of a line with several.
    ready: VecDeque<InputMessage>,
}

/// Reader for the layout of a file.
enum Body<R> {
    Lines(Lines<R>, Rows),
    Objects(Objects<R>),
}

impl<R: BufRead> Messages<R> {
    fn next(&mut self) -> Option<io::Result<InputMessage>> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(Ok(ready));
        }
        match &mut self.body {
            Body::Objects(objects) => objects.next().map(|found| Ok(message(&self.file, found?))),
            Body::Lines(lines, rows) => loop {
                let line = match lines.next()? {
                    Ok(line) => line,
                    Err(e) => return Some(Err(e)),
                };
                // A JSON line is a message in any file; in NDJSON, so is every line except CSV headers and rows.
                if line.is_json() {
                    let parts = objects::split(&line.text);
                    let part = |text: &[u8]| message(&self.file, Line { number: line.number, text: text.to_vec() });
                    self.ready.extend(parts.into_iter().map(part));
                    return Some(Ok(self.ready.pop_front().unwrap_or_else(|| message(&self.file, line))));
                } else if rows.take_header(&line.text) {
                    continue;
                } else if !rows.are_there() {
                    return Some(Ok(message(&self.file, line)));
                }
                let number = line.number;
                let row = lines.read_csv_row(line);
                return Some(row.map(|row| message(&self.file, Line { number, text: rows.message(&row) })));
            },
        }
    }
}

fn message(file: &Arc<str>, line: Line) -> InputMessage {
    InputMessage { file: Arc::clone(file), line: line.number, body: line.text.into() }
}

#[cfg(test)]
mod tests;
