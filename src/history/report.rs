//! What was found in each input file, as a part of an outcome.

use std::fmt;

use pipeline::record::DateOrder;
use serde::{Deserialize, Serialize};

use super::decimal_mark::DecimalMark;
use super::settings::Encoding;

/// Maximum number of files that an outcome lists.
const LISTED: usize = 1_000;

/// Container of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// Not compressed.
    Plain,
    /// Compressed with gzip.
    Gzip,
    /// Compressed with zstd.
    Zstd,
}

/// Format of the readings in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object per line.
    Ndjson,
    /// JSON objects in an array, on several lines each, or without line feeds.
    Json,
    /// CSV rows.
    Csv,
    /// Parquet.
    Parquet,
    /// The dead letters of an earlier run.
    DeadLetters,
}

/// One input file: its dialect, its messages, and whether it was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    /// Path of the file; `-` for standard input.
    pub file: String,
    /// How its content is stored: `plain`, `gzip` or `zstd`.
    pub container: Option<Container>,
    /// Format of its readings: `ndjson`, `json`, `csv`, `parquet` or `dead_letters`; `None` if it has none.
    pub format: Option<Format>,
    /// Encoding of its text: `utf-8`, `windows-1252`, `utf-16le` or `utf-16be`; `None` if it is not text.
    pub encoding: Option<Encoding>,
    /// Delimiter of its cells; `None` if it is not CSV.
    pub delimiter: Option<char>,
    /// Decimal mark of its numbers, `.` or `,`; `None` if it is not CSV, or no number shows it.
    pub decimal_mark: Option<DecimalMark>,
    /// Order of day and month in its dates, `dmy` or `mdy`; `None` if no date was rewritten.
    pub date_order: Option<DateOrder>,
    /// Number of messages in it.
    pub messages: u64,
    /// Why it was rejected as a whole; `None` if it was read.
    pub rejected: Option<String>,
}

impl InputReport {
    /// Creates a report of a file of which nothing is known.
    pub(super) fn new(file: String) -> Self {
        Self {
            file,
            container: None,
            format: None,
            encoding: None,
            delimiter: None,
            decimal_mark: None,
            date_order: None,
            messages: 0,
            rejected: None,
        }
    }

    /// Creates a report of a file that is rejected before it was opened.
    pub(crate) fn rejected(file: String, why: String) -> Self {
        Self { rejected: Some(why), ..Self::new(file) }
    }
}

/// The dialect of a file: `CSV, delimiter ;, decimal comma, windows-1252, gzip`.
impl fmt::Display for InputReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.format {
            None => "unknown format",
            Some(Format::Ndjson) => "NDJSON",
            Some(Format::Json) => "JSON",
            Some(Format::Csv) => "CSV",
            Some(Format::Parquet) => "Parquet",
            Some(Format::DeadLetters) => "dead letters",
        })?;
        match self.delimiter {
            None | Some(',') => {}
            Some('\t') => f.write_str(", delimiter tab")?,
            Some(delimiter) => write!(f, ", delimiter {delimiter}")?,
        }
        if self.decimal_mark == Some(DecimalMark::Comma) {
            f.write_str(", decimal comma")?;
        }
        if let Some(encoding) = self.encoding.filter(|encoding| *encoding != Encoding::Utf8) {
            write!(f, ", {encoding}")?;
        }
        if let Some(order) = self.date_order {
            write!(f, ", dates {order}")?;
        }
        f.write_str(match self.container {
            None | Some(Container::Plain) => "",
            Some(Container::Gzip) => ", gzip",
            Some(Container::Zstd) => ", zstd",
        })
    }
}

/// The input files of a run: the first thousand, each with its dialect, and the number of further ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputReports {
    /// The input files, in order.
    pub inputs: Vec<InputReport>,
    /// Number of further input files, which are not listed.
    pub inputs_omitted: u64,
}

impl InputReports {
    /// Adds a file.
    pub(crate) fn push(&mut self, report: InputReport) {
        if self.inputs.len() < LISTED {
            self.inputs.push(report);
        } else {
            self.inputs_omitted += 1;
        }
    }

    /// Adds the files of another run.
    pub(crate) fn merge(&mut self, other: Self) {
        self.inputs_omitted += other.inputs_omitted;
        other.inputs.into_iter().for_each(|report| self.push(report));
    }

    /// Returns the dialects of the listed files that were read, each with its number of files, the most frequent first.
    pub fn dialects(&self) -> Vec<(String, u64)> {
        let mut dialects = Vec::<(String, u64)>::new();
        for report in self.inputs.iter().filter(|report| report.rejected.is_none()) {
            let dialect = report.to_string();
            match dialects.iter_mut().find(|(known, _)| *known == dialect) {
                Some((_, files)) => *files += 1,
                None => dialects.push((dialect, 1)),
            }
        }
        dialects.sort_by_key(|(_, files)| std::cmp::Reverse(*files));
        dialects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(file: usize) -> InputReport {
        InputReport {
            container: Some(Container::Gzip),
            format: Some(Format::Csv),
            encoding: Some(Encoding::Windows1252),
            delimiter: Some(';'),
            decimal_mark: Some(DecimalMark::Comma),
            date_order: Some(DateOrder::DayFirst),
            ..InputReport::new(format!("{file}.csv"))
        }
    }

    #[test]
    fn a_dialect_is_named_in_one_line_and_in_json() {
        assert_eq!(report(1).to_string(), "CSV, delimiter ;, decimal comma, windows-1252, dates dmy, gzip");
        let json = serde_json::to_value(report(1)).unwrap();
        let expected = serde_json::json!({
            "file": "1.csv", "container": "gzip", "format": "csv", "encoding": "windows-1252", "delimiter": ";",
            "decimal_mark": ",", "date_order": "dmy", "messages": 0, "rejected": null,
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<InputReport>(json).unwrap(), report(1));
    }

    #[test]
    fn the_list_is_bounded_and_parts_merge_to_the_complete_list() {
        let list = |files: std::ops::Range<usize>| {
            let mut reports = InputReports::default();
            files.for_each(|file| reports.push(report(file)));
            reports
        };
        let mut merged = list(0..700);
        merged.merge(list(700..1_500));
        assert_eq!(merged, list(0..1_500));
        assert_eq!((merged.inputs.len(), merged.inputs_omitted), (1_000, 500));
        assert_eq!(merged.dialects(), [(report(0).to_string(), 1_000)]);
    }
}
