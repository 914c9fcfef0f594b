//! One input file: opened, its container and dialect detected, and read message by message.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cause::Cause;
use super::container::Unsupported;
use super::dialect;
use super::error::Error;
use super::file_state::FileState;
use super::first_bytes::{HEAD_BYTES, Peeked, Wait, unreadable};
use super::messages::Messages;
use super::parquet::Table;
use super::report::{Container, Format, InputReport};
use super::tally::Tally;
use super::utf16::{self, ToUtf8, Utf16};
use super::{Encoding, InputMessage, InputSettings, format_of};
use crate::compression::{CompressionFormat, decompress};

/// Decompressed content of a file, in UTF-8 or in an encoding that contains ASCII.
type Input = Box<dyn BufRead + Send>;

/// An open input file. Iterates over its messages; blank lines are skipped.
///
/// If reading fails, or the file is rejected while it is read, the last item is an error.
pub struct InputFile {
    path: PathBuf,
    content: Content,
    report: InputReport,
    ended: bool,
    /// Results of an inspection: the state of the file, and its number of messages.
    expected: Option<(FileState, u64)>,
    /// The next message of an inspected file. The last one is only returned if the file has not changed.
    ahead: Option<InputMessage>,
    /// Error that follows the last message.
    failed: Option<Error>,
}

enum Content {
    Text(Box<Messages<Input>>),
    Parquet(Box<Table>),
    /// Messages of an inspection, and the number of those that were returned.
    Kept(Arc<[InputMessage]>, usize),
}

impl InputFile {
    /// Opens a file, `-` for standard input.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened, or its first bytes show that it must be rejected.
    pub fn open(path: &Path, settings: InputSettings) -> Result<Self, Error> {
        let mut report = InputReport::new(path.display().to_string());
        let content = open(path, settings, &mut report).map_err(|cause| Error::new(path, cause))?;
        Ok(Self::of(path, content, report))
    }

    /// Reads a text file from any source, under the name `path`, as a file on disk is read.
    ///
    /// # Errors
    /// Returns an error if the first bytes cannot be read, or show that the file must be rejected.
    pub fn from_reader(path: &Path, input: impl Read + Send + 'static, settings: InputSettings) -> Result<Self, Error> {
        let mut report = InputReport::new(path.display().to_string());
        let input: Box<dyn Read + Send> = Box::new(input);
        let content = Peeked::read(BufReader::with_capacity(HEAD_BYTES, input), Wait::All)
            .map_err(Cause::from)
            .and_then(|input| open_container(path, input, settings, &mut report, true))
            .map_err(|cause| Error::new(path, cause))?;
        Ok(Self::of(path, content, report))
    }

    fn of(path: &Path, content: Content, report: InputReport) -> Self {
        Self { path: path.to_owned(), content, report, ended: false, expected: None, ahead: None, failed: None }
    }

    /// Opens a file that was inspected before; `kept` are its messages, if they are in memory. If the file changes, the last
    /// item is an error.
    ///
    /// # Errors
    /// Returns an error if the file has changed, or as [`open`](Self::open).
    pub(super) fn open_again(
        path: &Path,
        settings: InputSettings,
        state: FileState,
        found: &InputReport,
        kept: Option<Arc<[InputMessage]>>,
    ) -> Result<Self, Error> {
        if FileState::of(path) != Some(state) {
            return Err(Error::new(path, Cause::Changed));
        }
        let mut file = match kept {
            Some(messages) => Self::of(path, Content::Kept(messages, 0), InputReport { messages: 0, ..found.clone() }),
            None => Self::open(path, settings)?,
        };
        file.expected = Some((state, found.messages));
        file.ahead = file.read().transpose()?;
        Ok(file)
    }

    /// Returns true if the file is plain CSV and has no line feed after its last row, after it was read to its end.
    pub(super) fn is_unterminated(&self) -> bool {
        let is_plain = self.report.container == Some(Container::Plain);
        matches!(&self.content, Content::Text(messages) if is_plain && messages.is_unterminated())
    }

    /// Reads the next message.
    fn read(&mut self) -> Option<Result<InputMessage, Error>> {
        if self.ended {
            return None;
        }
        let next = match &mut self.content {
            Content::Text(messages) => messages.next(),
            Content::Parquet(table) => table.next(),
            Content::Kept(messages, returned) => {
                let next = messages.get(*returned).cloned().map(Ok);
                *returned += 1;
                next
            }
        };
        self.ended = !matches!(next, Some(Ok(_)));
        self.report.messages += u64::from(!self.ended);
        let next = match next {
            None if !self.is_as_expected() => Some(Err(Cause::Changed)),
            next => next,
        };
        next.map(|message| message.map_err(|cause| Error::new(&self.path, cause)))
    }

    /// Returns true if the file, which was read to its end, is the one that was inspected.
    fn is_as_expected(&self) -> bool {
        self.expected.is_none_or(|(state, messages)| {
            messages == self.report.messages && FileState::of(&self.path) == Some(state)
        })
    }

    /// Returns what is known of the file so far.
    pub fn report(&self) -> InputReport {
        let mut report = self.report.clone();
        if let Content::Text(messages) = &self.content {
            messages.describe(&mut report);
        }
        report
    }

    /// Returns what was found in the file. A file without messages counts as rejected if it was read to its end.
    pub fn into_report(self, is_complete: bool) -> InputReport {
        let mut report = self.report();
        if is_complete && report.messages == 0 {
            report.rejected = Some(self.no_readings());
        }
        report
    }

    /// Returns the reason to reject a file without messages.
    pub(super) fn no_readings(&self) -> String {
        format!("it has no readings: {}", self.why_empty())
    }

    /// Returns why the file has no message.
    fn why_empty(&self) -> &'static str {
        let compressed = !matches!(self.report.container, None | Some(Container::Plain));
        match &self.content {
            Content::Parquet(_) | Content::Kept(..) => "it has no rows",
            Content::Text(messages) if !messages.any_read() && compressed => "it is empty after decompression",
            Content::Text(messages) if !messages.any_read() => "it is empty",
            Content::Text(_) if self.report().format == Some(Format::Csv) => "it has a header and no rows",
            Content::Text(_) => "it has only blank lines",
        }
    }
}

impl Iterator for InputFile {
    type Item = Result<InputMessage, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.expected.is_none() {
            return self.read();
        }
        let next = match self.failed.take() {
            Some(e) => Some(Err(e)),
            None => self.read(),
        };
        match next {
            Some(Ok(message)) => self.ahead.replace(message).map(Ok),
            Some(Err(e)) if e.is_change() => {
                self.ahead = None;
                Some(Err(e))
            }
            Some(Err(e)) => match self.ahead.take() {
                Some(last) => {
                    self.failed = Some(e);
                    Some(Ok(last))
                }
                None => Some(Err(e)),
            },
            None => self.ahead.take().map(Ok),
        }
    }
}

fn open(path: &Path, settings: InputSettings, report: &mut InputReport) -> Result<Content, Cause> {
    let name: Arc<str> = report.file.clone().into();
    let (input, is_file): (Box<dyn Read + Send>, bool) = if path == Path::new("-") {
        (Box::new(io::stdin()), false)
    } else {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory: pass its files").into());
        }
        (Box::new(file), meta.is_file())
    };
    let wait = if is_file { Wait::All } else { Wait::Magic };
    let mut input = Peeked::read(BufReader::with_capacity(HEAD_BYTES, input), wait)?;
    let is_parquet = input.fill_buf()?.starts_with(b"PAR1");
    if is_parquet && is_file {
        (report.container, report.format) = (Some(Container::Plain), Some(Format::Parquet));
        return Table::open(path, name, settings).map(|table| Content::Parquet(Box::new(table)));
    }
    open_container(path, input, settings, report, is_file)
}

/// Detects the container and then the dialect of an input that is not a Parquet file.
fn open_container(
    path: &Path,
    mut input: Peeked<BufReader<Box<dyn Read + Send>>>,
    settings: InputSettings,
    report: &mut InputReport,
    is_file: bool,
) -> Result<Content, Cause> {
    if input.fill_buf()?.starts_with(b"PAR1") {
        return Err(Cause::Rejected(Unsupported::ParquetInStream.to_string()));
    }
    let (compression, input) = decompress(input, settings.max_expansion)?;
    report.container = Some(match compression {
        CompressionFormat::None => Container::Plain,
        CompressionFormat::Gzip => Container::Gzip,
        CompressionFormat::Zstd => Container::Zstd,
    });
    open_text(path, input, settings, report, is_file).map(|text| Content::Text(Box::new(text)))
}

/// Detects the dialect of decompressed content.
fn open_text(
    path: &Path,
    input: Input,
    settings: InputSettings,
    report: &mut InputReport,
    is_file: bool,
) -> Result<Messages<Input>, Cause> {
    let wait = if is_file || !settings.is_live { Wait::All } else { Wait::Line };
    let mut input: Input = Box::new(Peeked::read(input, wait).map_err(unreadable)?);
    let head = input.fill_buf().map_err(unreadable)?;
    let is_compressed = report.container != Some(Container::Plain);
    if let Some(unsupported) = Unsupported::of(head, is_compressed) {
        return Err(Cause::Rejected(unsupported.to_string()));
    }
    let (order, has_mark) = match utf16::detect(head) {
        Some(Utf16::Marked(order)) => (Some(order), true),
        Some(Utf16::Unmarked(order)) => (Some(order), false),
        None => (None, false),
    };
    input = match order {
        Some(order) if has_mark || settings.encoding == Some(order) => {
            report.encoding = Some(order);
            Box::new(Peeked::read(ToUtf8::new(input, order), wait).map_err(unreadable)?)
        }
        Some(order) => {
            return Err(Cause::Rejected(format!("it is UTF-16 without a byte order mark: pass --encoding {order}")));
        }
        None => input,
    };
    // Converted text is UTF-8, regardless of the given encoding.
    let settings = match report.encoding {
        Some(_) => InputSettings { encoding: Some(Encoding::Utf8), ..settings },
        None => settings,
    };
    let head = input.fill_buf().map_err(unreadable)?;
    let layout = dialect::layout(head, settings.format.unwrap_or_else(|| format_of(path))).map_err(Cause::Rejected)?;
    let name: Arc<str> = report.file.clone().into();
    if !is_file {
        // A stream cannot be inspected before it is read, but its beginning can.
        let lines = memchr::memrchr(b'\n', head).map_or(&[][..], |end| &head[..=end]);
        let mut beginning = Messages::new(Arc::clone(&name), lines, layout.clone(), settings);
        let mut tally = Tally::default();
        while let Some(message) = beginning.next() {
            match message {
                Ok(message) => tally.add(&message),
                Err(Cause::Broken { .. }) => break, // the end of the first bytes is not the end of the stream
                Err(cause) => return Err(cause),
            }
        }
        tally.uniform().map_or(Ok(()), |why| Err(Cause::Rejected(why)))?;
    }
    Ok(Messages::new(name, input, layout, settings))
}
