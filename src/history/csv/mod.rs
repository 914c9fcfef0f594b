//! Converts CSV rows to messages: JSON objects with the names of the header.
//!
//! | file | owns |
//! | --- | --- |
//! | `detect.rs` | detection of delimiter, decimal mark and header |
//! | `header.rs` | [`Header`], the columns of a file |
//! | `cells.rs` | cells and quotes of a row |
//! | `number.rs` | decimal points and commas of one number |
//! | `decimals.rs` | the decimal mark of a file |
//! | `split.rs` | rows with values in the wrong columns |
//! | `suspect.rs` | rows that look valid and are not |

use std::borrow::Cow;

use super::cause::Cause;
use super::decimal_mark::DecimalMark;
use pipeline::record::{Column, Reading, Rejection};

mod cells;
mod decimals;
mod detect;
mod header;
mod number;
mod split;
mod suspect;

pub(super) use cells::{Quotes, cells, quotes};
pub(super) use detect::detect;
pub(super) use header::column;
pub(super) use number::Form;

use decimals::Decimals;
pub(super) use detect::DELIMITERS;
use detect::separator;
use header::Header;
use split::{CellCounts, Row};
use suspect::{Before, Ending, is_joined_with_header, is_single_quoted};

/// Minimum number of the ten names in a header in the middle of a file.
const NAMES_OF_A_HEADER: usize = 6;

/// Format of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Csv {
    pub delimiter: u8,
    /// Decimal mark; `None` until a number shows one.
    pub decimal: Option<DecimalMark>,
    /// Whether the first line is a header.
    pub header: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: b',', decimal: Some(DecimalMark::Point), header: true }
    }
}

/// Column names, and the format of the rows.
#[derive(Debug)]
pub(super) struct Rows {
    /// `None` in a file of JSON lines until a header was read.
    csv: Option<Csv>,
    names: Names,
    /// What the numbers so far show.
    decimals: Decimals,
    /// Findings from the rows so far.
    before: Before,
    /// Numbers of cells of the rows so far.
    counts: CellCounts,
}

#[derive(Debug)]
enum Names {
    /// No rows so far.
    None,
    /// The first line is the header.
    Expected,
    /// Columns from the header, or the standard ones without a header.
    Known(Header),
}

impl Rows {
    /// Returns a state for JSON lines, in which rows are only accepted after a header.
    pub(super) fn none() -> Self {
        Self {
            csv: None,
            names: Names::None,
            decimals: Decimals::default(),
            before: Before::default(),
            counts: CellCounts::default(),
        }
    }

    /// Returns a state in which rows start at the first line.
    pub(super) fn of(csv: Csv) -> Self {
        let names = if csv.header { Names::Expected } else { Names::Known(Header::standard()) };
        Self { csv: Some(csv), names, ..Self::none() }
    }

    /// Sets the decimal mark that the user stated.
    pub(super) fn with_decimal(mut self, stated: Option<DecimalMark>) -> Self {
        self.decimals = Decimals::of(stated);
        if let (Some(csv), Some(mark)) = (&mut self.csv, stated) {
            csv.decimal = Some(mark);
        }
        self
    }

    /// Returns the format of the rows; `None` without any.
    pub(super) fn csv(&self) -> Option<Csv> {
        self.csv
    }

    /// Returns true if a line is a header, whose names are then used, or a line that sets the delimiter.
    ///
    /// In the middle of a file, a header must have most of the names.
    ///
    /// # Errors
    /// Returns an error if the header lacks a column or has it twice, or if other rows than before follow.
    pub(super) fn take_header(&mut self, line: &[u8], number: u64) -> Result<bool, Cause> {
        let is_first = !matches!(self.names, Names::Known(_));
        if is_first && separator(line).is_some() {
            return Ok(true);
        }
        let delimiter = match (&self.names, self.csv) {
            (Names::Expected, Some(csv)) => csv.delimiter,
            _ if !may_be_header(line) => return Ok(false),
            _ => match delimiter_of_header(line) {
                Some(delimiter) => delimiter,
                None => return Ok(false),
            },
        };
        if let (Names::Known(_), Some(csv)) = (&self.names, self.csv)
            && csv.delimiter != delimiter
        {
            return Err(Cause::Rejected(format!(
                "the rows after line {number} have another delimiter than those before: split the file at its headers"
            )));
        }
        let header = Header::of(&cells(line, delimiter));
        let place = |why: String| if is_first && number == 1 { why } else { format!("line {number}: {why}") };
        header.check(line).map_err(|why| Cause::Rejected(place(why)))?;
        self.counts.check_end().map_err(Cause::Rejected)?;
        self.names = Names::Known(header);
        (self.before, self.counts) = (Before::default(), CellCounts::default());
        let decimal = self.decimals.stated().or((delimiter == b',').then_some(DecimalMark::Point));
        self.csv.get_or_insert(Csv { delimiter, decimal, header: true });
        Ok(true)
    }

    /// Returns the delimiter if lines are rows.
    pub(super) fn delimiter(&self) -> Option<u8> {
        self.csv.filter(|_| matches!(self.names, Names::Known(_))).map(|csv| csv.delimiter)
    }

    /// Returns true if a line alone is a reading or a header, so that it is no part of a quoted cell of an earlier line.
    pub(super) fn is_complete(&self, line: &[u8]) -> bool {
        let (Names::Known(header), Some(csv)) = (&self.names, self.csv) else { return false };
        if may_be_header(line) && delimiter_of_header(line).is_some() {
            return true;
        }
        if cells(line, csv.delimiter).len() <= header.last_known() {
            return false;
        }
        let names = Names::Known(header.clone());
        let mut alone = Self { csv: Some(csv), names, ..Self::none() }.with_decimal(self.decimals.stated());
        // A quote that is not closed is that of the line's own cell.
        let line = match quotes(line, csv.delimiter) {
            Quotes::Closed => Cow::Borrowed(line),
            Quotes::Open | Quotes::Broken => line.iter().copied().filter(|&b| b != b'"').collect(),
        };
        let Ok(Some(message)) = alone.message(&line, 1, false) else { return false };
        is_reading(&message)
    }

    /// Checks the rows at the end of the file.
    ///
    /// # Errors
    /// Returns an error if a row or a number can be read in two ways, and no other one shows which is right.
    pub(super) fn check_end(&self) -> Result<(), Cause> {
        self.counts.check_end().and_then(|()| self.decimals.check_end()).map_err(Cause::Rejected)
    }

    /// Returns a row as a JSON object; `None` for a row without any value. A short row lacks its last fields.
    ///
    /// A row with more cells than columns, a value in a column without a name, or broken quotes has values in the wrong
    /// columns. Its last field becomes a list with the reason, which is rejected as a value. So does that of the row with
    /// which the file ends (`is_last`, without a line feed) before or within its last column.
    ///
    /// # Errors
    /// Returns an error if the file has numbers with decimal points and others with decimal commas, or with another decimal
    /// mark than the stated one, another quote character, or rows of which a value may have been split.
    pub(super) fn message(&mut self, row: &[u8], line: u64, is_last: bool) -> Result<Option<Vec<u8>>, Cause> {
        let (Names::Known(header), Some(csv)) = (&self.names, &mut self.csv) else { return Ok(None) };
        let mut cells = cells(row, csv.delimiter);
        if cells.iter().all(|cell| is_blank(cell)) {
            return Ok(None);
        }
        let all = cells.len();
        while cells.len() > header.len() && cells.last().is_some_and(|cell| is_blank(cell)) {
            cells.pop();
        }
        let blanks = all - cells.len();
        let unexpected = cells.split_off(cells.len().min(header.len()));
        if is_joined_with_header(&cells, &unexpected) {
            return Err(Cause::Rejected(format!(
                "line {line} has a row and after it the header of another file: add a line feed before the header"
            )));
        }
        if is_single_quoted(&cells, header) {
            return Err(Cause::Rejected(format!(
                "line {line} has its texts in ' instead of \": export the file again with \" as the quote character"
            )));
        }
        let defect = match quotes(row, csv.delimiter) {
            Quotes::Closed if unexpected.is_empty() => {
                let split = Row { cells: &cells, blanks, delimiter: csv.delimiter, line };
                let split = self.counts.defect(split, header).map_err(Cause::Rejected)?;
                split.or_else(|| self.before.defect(&cells, header, Ending::of(row, is_last)))
            }
            Quotes::Closed => Some(format!("{} cells for {} columns", header.len() + unexpected.len(), header.len())),
            Quotes::Open => Some("a quote is not closed".to_owned()),
            Quotes::Broken => Some("text after a closing quote".to_owned()),
        };
        let last = header.last_known().min(cells.len().saturating_sub(1));
        let mut body = Vec::with_capacity(320);
        for (at, value) in cells.iter().enumerate() {
            let known = &header.cells()[at];
            let may_be_absent = known.anonymous || defect.is_none() && known.column.is_some_and(Column::is_optional);
            if may_be_absent && is_blank(value) {
                continue;
            }
            body.push(if body.is_empty() { b'{' } else { b',' });
            push_string(&mut body, &known.name);
            body.push(b':');
            let is_number = known.column.is_some_and(|column| column.kind().is_number());
            match &defect {
                Some(why) if at == last => push_list(&mut body, why, value, &unexpected),
                _ if is_number => push_string(&mut body, &self.decimals.read(csv, value, line)?),
                _ => push_string(&mut body, value),
            }
        }
        body.push(b'}');
        Ok(Some(body))
    }
}

/// Returns true if a message is a reading, perhaps after the order of its date is known.
fn is_reading(message: &[u8]) -> bool {
    matches!(Reading::parse(message), Ok(_) | Err(Rejection::AmbiguousDate { .. }))
}

fn push_list(out: &mut Vec<u8>, why: &str, cell: &[u8], unexpected: &[Cow<'_, [u8]>]) {
    out.push(b'[');
    push_string(out, why.as_bytes());
    for cell in std::iter::once(cell).chain(unexpected.iter().map(|cell| &**cell)) {
        out.push(b',');
        push_string(out, cell);
    }
    out.push(b']');
}

/// Returns true for a cell without a visible character.
fn is_blank(cell: &[u8]) -> bool {
    cell.iter().all(u8::is_ascii_whitespace)
        || std::str::from_utf8(cell).is_ok_and(|text| text.chars().all(|c| c.is_whitespace() || c == '\u{feff}'))
}

/// Returns true if a line may be a header. A cheap check before the line is split.
fn may_be_header(line: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(line, word).is_some();
    line.trim_ascii_start().first().is_some_and(|byte| !byte.is_ascii_digit()) && (has(b"urral") || has(b"URRAL"))
}

/// Returns the delimiter with which a line is a header.
fn delimiter_of_header(line: &[u8]) -> Option<u8> {
    DELIMITERS.into_iter().find(|&delimiter| {
        let known = Header::of(&cells(line, delimiter)).known();
        known >= NAMES_OF_A_HEADER
    })
}

/// Appends these bytes as a JSON string; invalid UTF-8 is kept, and rejected when the message is parsed.
fn push_string(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes()),
        Err(_) => {
            out.push(b'"');
            out.extend(bytes.iter().filter(|b| !matches!(b, b'"' | b'\\')));
            out.push(b'"');
        }
    }
}
