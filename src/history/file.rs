//! One input file: opened, its container and dialect detected, and read message by message.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cause::Cause;
use super::container::Unsupported;
use super::dialect;
use super::error::Error;
use super::messages::Messages;
use super::parquet::Table;
use super::report::{Container, Format, InputReport};
use super::tally::Tally;
use super::utf16::{self, ToUtf8, Utf16};
use super::{Encoding, InputMessage, InputSettings, format_of};
use crate::compression::{CompressionFormat, decompress};

/// Number of bytes examined to detect the dialect of a file.
const HEAD_BYTES: usize = 64 * 1024;

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
}

enum Content {
    Text(Box<Messages<Input>>),
    Parquet(Box<Table>),
}

impl InputFile {
    /// Opens a file, `-` for standard input.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened, or its first bytes show that it must be rejected.
    pub fn open(path: &Path, settings: InputSettings) -> Result<Self, Error> {
        let mut report = InputReport::new(path.display().to_string());
        let content = open(path, settings, &mut report).map_err(|cause| Error::new(path, cause))?;
        Ok(Self { path: path.to_owned(), content, report, ended: false })
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
            Content::Parquet(_) => "it has no rows",
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
        if self.ended {
            return None;
        }
        let next = match &mut self.content {
            Content::Text(messages) => messages.next(),
            Content::Parquet(table) => table.next(),
        };
        match next {
            Some(Ok(message)) => {
                self.report.messages += 1;
                Some(Ok(message))
            }
            Some(Err(cause)) => {
                self.ended = true;
                Some(Err(Error::new(&self.path, cause)))
            }
            None => None,
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
    let mut input = BufReader::with_capacity(HEAD_BYTES, input);
    let is_parquet = input.fill_buf()?.starts_with(b"PAR1");
    if is_parquet && is_file {
        (report.container, report.format) = (Some(Container::Plain), Some(Format::Parquet));
        return Table::open(path, name, settings).map(|table| Content::Parquet(Box::new(table)));
    } else if is_parquet {
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
    mut input: Input,
    settings: InputSettings,
    report: &mut InputReport,
    is_file: bool,
) -> Result<Messages<Input>, Cause> {
    // A single read returns what a pipe has, without waiting for more.
    let head = input.fill_buf().map_err(|why| Cause::Broken { line: 0, why })?;
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
            Box::new(ToUtf8::new(input, order))
        }
        Some(order) => {
            return Err(Cause::Rejected(format!("it is UTF-16 without a byte order mark: pass --encoding {order}")));
        }
        None => input,
    };
    // Text that was converted is UTF-8, regardless of the encoding that is stated.
    let settings = match report.encoding {
        Some(_) => InputSettings { encoding: Some(Encoding::Utf8), ..settings },
        None => settings,
    };
    let head = input.fill_buf().map_err(|why| Cause::Broken { line: 0, why })?;
    let layout = dialect::layout(head, settings.format.unwrap_or_else(|| format_of(path))).map_err(Cause::Rejected)?;
    let name: Arc<str> = report.file.clone().into();
    if !is_file {
        // A stream cannot be inspected before it is read, but its beginning can.
        let lines = memchr::memrchr(b'\n', head).map_or(&[][..], |end| &head[..=end]);
        let mut beginning = Messages::new(Arc::clone(&name), lines, layout.clone(), settings);
        let mut tally = Tally::default();
        while let Some(message) = beginning.next() {
            tally.add(&message?);
        }
        tally.uniform().map_or(Ok(()), |why| Err(Cause::Rejected(why)))?;
    }
    Ok(Messages::new(name, input, layout, settings))
}
