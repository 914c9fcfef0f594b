//! Detects the dialect of a file from its first bytes: what kind of file it is, and the layout of its readings.
//!
//! The dialect is detected once per file; other modules read the file accordingly.

use std::fmt;

use super::csv::{self, Csv};
use super::objects;
use crate::herd::LineFormat;

/// Layout of readings in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// One JSON object per line; CSV rows among them need their own header.
    Lines,
    /// JSON objects in an array, on several lines each, or consecutive without line feeds.
    Objects,
    /// CSV rows; JSON lines may be among them.
    Csv(Csv),
}

/// Kind of a file that does not contain readings as text, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    Parquet,
    Zip,
    Tar,
    Utf16,
    Sqlite,
    Pdf,
}

impl Foreign {
    /// Detects the kind. `None` if the file may be text.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let starts = |mark: &[u8]| head.starts_with(mark);
        Some(match () {
            () if starts(b"PAR1") => Self::Parquet,
            () if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => Self::Zip,
            () if head.get(257..262) == Some(b"ustar") => Self::Tar,
            () if starts(b"\xff\xfe") || starts(b"\xfe\xff") => Self::Utf16,
            () if starts(b"SQLite format 3\0") => Self::Sqlite,
            () if starts(b"%PDF-") => Self::Pdf,
            () => return None,
        })
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => {
                "it is Parquet: export it as NDJSON or CSV (DuckDB: COPY (FROM 'x.parquet') TO 'x.csv') and run again"
            }
            Self::Zip => {
                "it is a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV UTF-8, and run again"
            }
            Self::Tar => "it is a tar archive: unpack it (tar xf) and name its files",
            Self::Utf16 => {
                "it is UTF-16, which some spreadsheets write: make it UTF-8 (iconv -f UTF-16 -t UTF-8) and run again"
            }
            Self::Sqlite => "it is a SQLite database: export the table as CSV and run again",
            Self::Pdf => "it is a PDF document: readings come as NDJSON or CSV",
        })
    }
}

/// Returns the layout by the first bytes of a file, or by its name if they are inconclusive.
pub(super) fn layout(head: &[u8], named: LineFormat) -> Layout {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    match text.first() {
        Some(b'[') => Layout::Objects,
        Some(b'{') if objects::goes_beyond_a_line(text) => Layout::Objects,
        Some(b'{') if named == LineFormat::Ndjson => Layout::Lines,
        _ => match csv::detect(text) {
            Some(csv) => Layout::Csv(csv),
            None if named == LineFormat::Csv => Layout::Csv(Csv::default()),
            None => Layout::Lines,
        },
    }
}
