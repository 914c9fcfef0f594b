//! Files of readings as farms deliver them: NDJSON or CSV, a message each, packed as gzip or zstd or not at all.
//!
//! Owns the reading of such files in bounded memory, however they were put together: lines that end in LF, CRLF or CR, with a mark
//! before UTF-8, without the last line feed, with headers in the middle where files were joined, or none where they were cut apart,
//! with lines of JSON among rows of CSV, JSON in arrays, over several lines or without line feeds, any usual delimiter, decimal commas.
//! `dialect` tells once what a file is. What a message means is [`pipeline::record`]'s.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::compression::{CompressionFormat, open_decompressed};
use crate::herd::LineFormat;

mod csv;
mod dialect;
mod lines;
mod objects;

use csv::Rows;
use dialect::{Foreign, Layout};
use lines::{Line, Lines};
use objects::Objects;

/// How much of a file is looked at to tell what it is.
const HEAD_BYTES: usize = 64 * 1024;

/// The form of a file by its name's ending, in front of `.gz` or `.zst`: `.csv` is CSV, anything else NDJSON.
pub fn format_of(path: &Path) -> LineFormat {
    let (_, path) = CompressionFormat::from_path(path);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
        LineFormat::Csv
    } else {
        LineFormat::Ndjson
    }
}

/// A message with the place it was read from.
#[derive(Debug, Clone)]
pub struct InputMessage {
    /// The file, `-` for standard input.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u64,
    /// The message.
    pub body: Bytes,
}

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct Error {
    file: PathBuf,
    source: io::Error,
}

/// The messages of a file, `-` for standard input; blank lines are passed over.
///
/// # Errors
/// The file cannot be opened; a later item is an error, and the last one, where it cannot be read on.
pub fn messages(
    path: &Path,
    format: Option<LineFormat>,
) -> Result<Box<dyn Iterator<Item = Result<InputMessage, Error>> + Send>, Error> {
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
    let mut input = BufReader::with_capacity(HEAD_BYTES, open_decompressed(input).map_err(failed)?);
    // One read: a pipe gives what it has, and is not waited for.
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

/// A file that is being read.
struct Messages<R> {
    file: Arc<str>,
    body: Body<R>,
    /// Messages of a line that holds several.
    ready: VecDeque<InputMessage>,
}

/// What stands in a file.
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
                // A line of JSON is one in any file, and in one of NDJSON all lines are but headers.
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
