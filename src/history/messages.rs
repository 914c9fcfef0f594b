//! The messages of a text file, from any layout, in UTF-8 and with unambiguous dates.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use memchr::memmem::Finder;
use pipeline::intake::envelope::Envelope;
use pipeline::record::DateOrder;

use super::cause::Cause;
use super::container::joined_compressed;
use super::csv::Rows;
use super::dates;
use super::dead_letter;
use super::dialect::Layout;
use super::lines::{Line, Lines, MAX_LINE_BYTES};
use super::objects::{self, Objects};
use super::report::{Format, InputReport};
use super::text::{LineDecoder, reject_other_text};
use super::{InputMessage, InputSettings};

/// Member of every envelope of SNS.
static ENVELOPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"TopicArn\""));

/// A text file that is being read.
pub(super) struct Messages<R> {
    file: Arc<str>,
    body: Body<R>,
    /// Whether text in another encoding rejects the file. Otherwise, a line that is not UTF-8 is an invalid message.
    expects_utf8: bool,
    dates: Option<DateOrder>,
    /// Whether the order of dates was used.
    rewritten: bool,
    dead_letters: bool,
    /// Remaining messages of a line with several.
    ready: VecDeque<Line>,
    /// Line of the last array that is not closed.
    open_array: Option<u64>,
}

/// Reader for the layout of a file.
enum Body<R> {
    Lines(Lines<R>, Box<Rows>),
    Objects(Objects<R>),
}

impl<R: BufRead> Messages<R> {
    pub(super) fn new(file: Arc<str>, input: R, layout: Layout, settings: InputSettings) -> Self {
        let decoder = LineDecoder::new(settings.encoding);
        let body = match layout {
            Layout::Lines => {
                Body::Lines(Lines::new(input, decoder), Box::new(Rows::none().with_decimal(settings.decimal_mark)))
            }
            Layout::Csv(csv) => {
                Body::Lines(Lines::new(input, decoder), Box::new(Rows::of(csv).with_decimal(settings.decimal_mark)))
            }
            Layout::Objects => Body::Objects(Objects::new(input, decoder)),
        };
        Self {
            file,
            body,
            expects_utf8: settings.encoding.is_none(),
            dates: settings.date_order,
            rewritten: false,
            dead_letters: false,
            ready: VecDeque::new(),
            open_array: None,
        }
    }

    /// Completes a report with what is known so far.
    pub(super) fn describe(&self, report: &mut InputReport) {
        let (format, encoding, csv) = match &self.body {
            Body::Lines(lines, rows) => {
                let csv = rows.csv();
                (if csv.is_some() { Format::Csv } else { Format::Ndjson }, lines.encoding(), csv)
            }
            Body::Objects(objects) => (Format::Json, objects.encoding(), None),
        };
        report.format = Some(if self.dead_letters { Format::DeadLetters } else { format });
        report.encoding = report.encoding.or(Some(encoding));
        report.delimiter = csv.map(|csv| char::from(csv.delimiter));
        report.decimal_mark = csv.and_then(|csv| csv.decimal);
        report.date_order = self.dates.filter(|_| self.rewritten);
    }

    /// Returns true if the file has lines, even if none of them is a message.
    pub(super) fn any_read(&self) -> bool {
        match &self.body {
            Body::Lines(lines, _) => lines.any_read(),
            Body::Objects(_) => true,
        }
    }

    /// Returns true if the file is CSV whose last line has no line feed.
    pub(super) fn is_unterminated(&self) -> bool {
        matches!(&self.body, Body::Lines(lines, rows) if rows.csv().is_some() && lines.is_unterminated())
    }

    /// Returns the next message.
    pub(super) fn next(&mut self) -> Option<Result<InputMessage, Cause>> {
        let line = match self.ready.pop_front() {
            Some(line) => Ok(line),
            None => match self.line() {
                Some(line) => line,
                None => return self.at_end().map(Err),
            },
        };
        // What was read of a damaged file must not be stored if it can be read in two ways.
        let cause = |e| match e {
            Cause::Rejected(_) => e,
            e => self.unresolved().unwrap_or(e),
        };
        Some(line.map_err(cause).and_then(|line| self.message(line)))
    }

    /// Returns what is wrong with a file that was read to its end.
    fn at_end(&mut self) -> Option<Cause> {
        let open = self.open_array.take().map(|line| Cause::Broken { line, why: objects::open_array() });
        open.or_else(|| self.unresolved())
    }

    /// Returns why the rows so far can be read in two ways.
    fn unresolved(&self) -> Option<Cause> {
        match &self.body {
            Body::Lines(_, rows) => rows.check_end().err(),
            Body::Objects(_) => None,
        }
    }

    /// Returns the next message as it is in the file; a CSV row as JSON.
    fn line(&mut self) -> Option<Result<Line, Cause>> {
        let (lines, rows) = match &mut self.body {
            Body::Objects(objects) => return objects.next().map(|found| found.and_then(not_a_header)),
            Body::Lines(lines, rows) => (lines, rows),
        };
        loop {
            let line = match lines.next()? {
                Ok(line) => line,
                Err(e) => return Some(Err(e)),
            };
            // A JSON line is a message in any file; in NDJSON, so is every line except CSV headers and rows.
            if line.is_json() {
                if objects::is_open_array(&line.text) {
                    self.open_array = Some(line.number);
                }
                match messages_of(line, lines) {
                    Ok(messages) => self.ready.extend(messages),
                    Err(e) => return Some(Err(e)),
                }
                return self.ready.pop_front().map(Ok);
            }
            match rows.take_header(&line.text, line.number) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(e) => return Some(Err(e)),
            }
            let Some(delimiter) = rows.delimiter() else { return Some(Ok(line)) };
            let number = line.number;
            let row = lines.read_csv_row(line, delimiter, |line| rows.is_complete(line));
            let is_last = lines.is_unterminated();
            let row = row.and_then(|row| rows.message(&row, number, is_last));
            match row {
                Ok(None) => {}
                Ok(Some(text)) => return Some(Ok(Line { number, text })),
                Err(e) => return Some(Err(e)),
            }
        }
    }

    fn message(&mut self, line: Line) -> Result<InputMessage, Cause> {
        let Line { number, text } = line;
        if let Some(kind) = joined_compressed(&text) {
            return Err(Cause::Rejected(format!(
                "line {number} is compressed with {kind}, and the lines before it are not: decompress each file before they \
                 are joined"
            )));
        }
        if self.expects_utf8 {
            reject_other_text(&text, number)?;
        }
        let mut body = Bytes::from(text);
        if let Some(letter) = dead_letter::message_in(&body) {
            (body, self.dead_letters) = (letter, true);
        } else if ENVELOPE.find(&body).is_some()
            && let Some(envelope) = Envelope::parse(&body)
        {
            body = envelope.message.into(); // a file of what an SQS queue or a stream received from the topic
        }
        if let Some(changed) = dates::rewrite(&body, self.dates, number)? {
            (body, self.rewritten) = (changed.message, self.rewritten || changed.by_order);
        }
        Ok(InputMessage { file: Arc::clone(&self.file), line: number, body })
    }
}

/// Returns the messages of a line of JSON.
///
/// # Errors
/// Returns an error if the line is a part of an object, or so long that messages of it are not in memory.
fn messages_of<R: BufRead>(line: Line, lines: &mut Lines<R>) -> Result<Vec<Line>, Cause> {
    let number = line.number;
    if line.text.trim_ascii() == b"{" && lines.peek()?.is_some_and(|next| objects::is_member(&next.text)) {
        return Err(Cause::Rejected(format!(
            "line {number} starts a JSON object on several lines, and the lines before it are of another layout: split the \
             file there"
        )));
    }
    let parts = objects::split(&line.text);
    if lines.is_cut() && parts.len() > 1 {
        return Err(Cause::Rejected(format!(
            "line {number} has several readings and more than {} MiB: write one reading per line, or the line to a file of \
             its own",
            MAX_LINE_BYTES >> 20
        )));
    }
    if parts.is_empty() {
        return Ok(vec![line]);
    }
    Ok(parts.into_iter().map(|text| Line { number, text }).collect())
}

/// Checks content between JSON objects.
///
/// # Errors
/// Returns an error if it is a header of CSV: its rows are not read here.
fn not_a_header(line: Line) -> Result<Line, Cause> {
    if line.text.starts_with(b"{") || matches!(Rows::none().take_header(&line.text, line.number), Ok(false)) {
        return Ok(line);
    }
    let number = line.number;
    Err(Cause::Rejected(format!(
        "line {number} is a header of CSV after JSON that is not in lines: split the file there"
    )))
}
