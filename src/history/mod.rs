//! Reads history files as farms deliver them: NDJSON, JSON, CSV or Parquet with one message per reading, plain or
//! compressed with gzip or zstd.
//!
//! Files are read in bounded memory. Supported are lines that end in LF, CRLF or CR, byte order marks, a missing last
//! line feed, and any usual delimiter or decimal commas. Joined files may have headers in the middle, and split files
//! may have none. JSON lines may be among CSV rows. JSON may be in arrays, on several lines, or without line feeds.
//!
//! A file that is not what it should be is rejected as a whole, with what to do, and [`Inputs`] finds that out before
//! anything of it is stored. [`pipeline::record`] interprets the messages.
//!
//! | file | owns |
//! | --- | --- |
//! | `settings.rs` | [`InputSettings`], what the content does not show |
//! | `inspection.rs` | [`Inputs`], the files of a run, checked |
//! | `tally.rs` | messages that are invalid for the same reason |
//! | `runs.rs` | consecutive unreadable messages of a joined file |
//! | `hint.rs` | what to do about messages in other forms |
//! | `file.rs` | [`InputFile`], one open file |
//! | `file_state.rs` | whether a file has changed |
//! | `first_bytes.rs` | first bytes of an input, also of a slow one |
//! | `container.rs` | formats that are not supported |
//! | `dialect.rs` | detection of the layout |
//! | `messages.rs` | messages of a text file |
//! | `decimal_mark.rs` | [`DecimalMark`] |
//! | `lines.rs`, `objects.rs`, `csv/` | lines, JSON objects and CSV rows |
//! | `text.rs`, `utf16.rs`, `other_text.rs` | encodings |
//! | `dates.rs`, `date_forms.rs` | dates that are rewritten |
//! | `parquet.rs` | messages of a Parquet file |
//! | `dead_letter.rs` | the format of a dead letter |
//! | `cause.rs`, `error.rs` | why a file is not read |
//! | `report.rs` | [`InputReport`], what was found in a file |

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::compression::CompressionFormat;
use crate::herd::LineFormat;

mod cause;
mod container;
mod csv;
mod date_forms;
mod dates;
pub(crate) mod dead_letter;
mod decimal_mark;
mod dialect;
mod error;
mod file;
mod file_state;
mod first_bytes;
mod hint;
mod inspection;
mod lines;
mod messages;
mod objects;
#[cfg(test)]
mod objects_tests;
mod other_text;
mod parquet;
#[cfg(test)]
mod property_tests;
mod report;
mod runs;
mod settings;
mod tally;
#[cfg(test)]
mod tests;
mod text;
#[cfg(test)]
mod unfinished_tests;
mod utf16;

pub use dates::invalid_reason;
pub use decimal_mark::DecimalMark;
pub use error::Error;
pub use file::InputFile;
pub use inspection::{Inputs, OnUniform};
pub use report::{Container, Format, InputReport, InputReports};
pub use settings::{Encoding, InputSettings};

/// Returns the format of a file by its extension, before `.gz` or `.zst`: `.csv` and `.tsv` are CSV, anything else
/// NDJSON.
pub fn format_of(path: &Path) -> LineFormat {
    let (_, path) = CompressionFormat::from_path(path);
    let is = |known| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(known));
    if is("csv") || is("tsv") { LineFormat::Csv } else { LineFormat::Ndjson }
}

/// Message with its location in the input.
#[derive(Debug, Clone)]
pub struct InputMessage {
    /// Name of the file, `-` for standard input.
    pub file: Arc<str>,
    /// Number of the line or the row, from 1.
    pub line: u64,
    /// Content of the message.
    pub body: Bytes,
}

impl InputMessage {
    /// Returns the size of the message in bytes.
    pub fn size_bytes(&self) -> usize {
        self.body.len()
    }
}
