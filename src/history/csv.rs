//! Converts CSV rows to messages: JSON objects with the names of the header.
//!
//! It detects the format of a CSV file: its delimiter (comma, semicolon, tab, bar, or as set by a `sep=` line), the
//! decimal mark of its numbers, and the position of its header.

use std::borrow::Cow;

use pipeline::record::Column;

use crate::herd::COLUMNS;

/// Delimiters that are tried, the most probable first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Minimum number of the ten names in a header.
const NAMES_OF_A_HEADER: usize = 6;

/// Returns true if the column with that name holds numbers.
fn is_number(name: &[u8]) -> bool {
    Column::READING.iter().any(|column| column.kind().is_number() && column.name().as_bytes() == name)
}

/// Decimal mark of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum DecimalMark {
    /// `234.941`
    #[default]
    Point,
    /// `234,941`, as written by spreadsheets in Brazil.
    Comma,
}

/// Format of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Csv {
    pub delimiter: u8,
    pub decimal: DecimalMark,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: b',', decimal: DecimalMark::Point }
    }
}

/// Detects the CSV format of a file from its first bytes. `None` if it does not look like CSV.
///
/// A decimal comma is detected from the numbers of the first rows. It is not considered if the delimiter is a comma:
/// `"234,941"` could then have grouped digits, and the row is rejected.
pub(super) fn detect(head: &[u8]) -> Option<Csv> {
    let mut lines = head.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next()?;
    let (delimiter, header) = match separator(first) {
        Some(delimiter) => (delimiter, lines.next().unwrap_or_default()),
        None => (DELIMITERS.into_iter().find(|delimiter| is_row_of(first, *delimiter))?, first),
    };
    let names = cells(header, delimiter);
    let at: Vec<usize> = if names_in(&names) > 0 {
        (0..names.len()).filter(|&at| is_number(names[at].trim_ascii())).collect()
    } else {
        (0..COLUMNS.len()).filter(|&at| is_number(COLUMNS[at].as_bytes())).collect()
    };
    let is_comma = |line: &[u8]| {
        let cells = cells(line, delimiter);
        at.iter().filter_map(|&at| cells.get(at)).any(|cell| has_decimal_comma(cell))
    };
    let comma = delimiter != b',' && std::iter::once(header).chain(lines).any(is_comma);
    Some(Csv { delimiter, decimal: if comma { DecimalMark::Comma } else { DecimalMark::Point } })
}

/// Returns the delimiter in a first line `sep=;`, as written and read by Excel.
fn separator(line: &[u8]) -> Option<u8> {
    match line.trim_ascii_end().strip_prefix(b"sep=").or_else(|| line.strip_prefix(b"SEP="))? {
        [delimiter] => Some(*delimiter),
        [] if line.ends_with(b"\t") => Some(b'\t'),
        _ => None,
    }
}

/// Returns true if the line is a header, or a row without one, with this delimiter.
fn is_row_of(line: &[u8], delimiter: u8) -> bool {
    let cells = cells(line, delimiter);
    names_in(&cells) >= NAMES_OF_A_HEADER || cells.len() >= COLUMNS.len()
}

fn names_in(cells: &[Cow<'_, [u8]>]) -> usize {
    COLUMNS.iter().filter(|name| cells.iter().any(|cell| cell.trim_ascii() == name.as_bytes())).count()
}

fn has_decimal_comma(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    cell.contains(&b',') && cell.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.' | b'-'))
}

/// Column names, and the format of the rows.
#[derive(Debug)]
pub(super) struct Rows {
    csv: Csv,
    names: Names,
}

#[derive(Debug)]
enum Names {
    /// No rows so far.
    None,
    /// Rows are expected, and the first line should be the header.
    Expected,
    /// Columns from the header, or the standard ones without a header.
    Known(Vec<Vec<u8>>),
}

impl Rows {
    /// Returns a state for JSON lines, in which rows are only accepted after a header.
    pub(super) fn none() -> Self {
        Self { csv: Csv::default(), names: Names::None }
    }

    /// Returns a state in which rows start at the first line.
    pub(super) fn of(csv: Csv) -> Self {
        Self { csv, names: Names::Expected }
    }

    /// Returns true if a line is a header, whose names are then used, or a line that sets the delimiter.
    ///
    /// The first line of a CSV file is a header unless it looks like data: the file is then a later part of another,
    /// with the standard columns. Elsewhere, a header must have all ten names.
    pub(super) fn take_header(&mut self, line: &[u8]) -> bool {
        if matches!(self.names, Names::Expected | Names::None) && separator(line).is_some() {
            return true;
        }
        let delimiter = self.csv.delimiter;
        let is_header = match self.names {
            Names::Expected => !is_data(line, delimiter),
            Names::None | Names::Known(_) => has_all_names(line, delimiter),
        };
        if is_header {
            let names = cells(line, delimiter).into_iter().map(|cell| cell.trim_ascii().to_vec());
            self.names = Names::Known(names.collect());
        } else if matches!(self.names, Names::Expected) {
            self.names = Names::Known(COLUMNS.map(|name| name.as_bytes().to_vec()).into());
        }
        is_header
    }

    /// Returns true if lines are rows.
    pub(super) fn are_there(&self) -> bool {
        matches!(self.names, Names::Known(_))
    }

    /// Returns a row as a JSON object; a short row lacks its last fields, a long one has additional `column_N` fields.
    pub(super) fn message(&self, row: &[u8]) -> Vec<u8> {
        let names = match &self.names {
            Names::Known(names) => &names[..],
            Names::None | Names::Expected => &[],
        };
        let mut body = Vec::with_capacity(320);
        for (at, value) in cells(row, self.csv.delimiter).iter().enumerate() {
            body.push(if at == 0 { b'{' } else { b',' });
            match names.get(at) {
                Some(name) => push_string(&mut body, name),
                None => push_string(&mut body, format!("column_{}", at + 1).as_bytes()),
            }
            body.push(b':');
            let holds_number = || names.get(at).is_some_and(|name| is_number(name));
            match self.csv.decimal {
                DecimalMark::Comma if holds_number() => push_string(&mut body, &with_point(value)),
                DecimalMark::Comma | DecimalMark::Point => push_string(&mut body, value),
            }
        }
        body.push(b'}');
        body
    }
}

/// Converts a number with a decimal comma to a decimal point: `1.234,5` to `1234.5`. In such a file, a single point may
/// group digits or be a mistake. Such a number keeps a marker that is visible in its rejection.
fn with_point(cell: &[u8]) -> Vec<u8> {
    let cell = cell.trim_ascii();
    if !has_decimal_comma(cell) {
        let ambiguous = cell.contains(&b'.') && cell.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        return if ambiguous { [cell, b" (point in a file with decimal commas)"].concat() } else { cell.to_vec() };
    }
    cell.iter().filter(|byte| **byte != b'.').map(|&byte| if byte == b',' { b'.' } else { byte }).collect()
}

/// Returns true if the line cannot be a header: it has none of the names, and a cell that starts with a digit or no
/// letter at all.
fn is_data(line: &[u8], delimiter: u8) -> bool {
    let cells = cells(line, delimiter);
    let is_number = |cell: &Cow<'_, [u8]>| cell.first().is_some_and(u8::is_ascii_digit);
    names_in(&cells) == 0 && (cells.iter().any(is_number) || !line.iter().any(u8::is_ascii_alphabetic))
}

fn has_all_names(line: &[u8], delimiter: u8) -> bool {
    // A cheap check comes first, because there are many rows: they usually start with another character.
    let begin = line.trim_ascii_start().first();
    if !begin.is_some_and(|&byte| byte == b'"' || byte.is_ascii_alphabetic()) {
        return false;
    }
    names_in(&cells(line, delimiter)) == COLUMNS.len()
}

/// Returns the cells of a row; delimiters and quotes within quotes are part of the cell.
fn cells(row: &[u8], delimiter: u8) -> Vec<Cow<'_, [u8]>> {
    if !row.contains(&b'"') {
        return row.split(|&byte| byte == delimiter).map(Cow::Borrowed).collect();
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(row.len())
        .from_reader(row);
    let mut record = csv::ByteRecord::new();
    // Reading from memory cannot fail, and any bytes form a row.
    match reader.read_byte_record(&mut record) {
        Ok(true) => record.iter().map(|cell| Cow::Owned(cell.to_vec())).collect(),
        Ok(false) | Err(_) => vec![Cow::Borrowed(row)],
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_and_the_decimal_mark_are_told_by_header_and_first_rows() {
        let of = |delimiter, decimal| Some(Csv { delimiter, decimal });
        let header = |delimiter: &str| COLUMNS.join(delimiter);
        let cases = [
            (format!("{}\n1,2,3,234.9,360,2023-01-01,51,66,9.0,F", header(",")), of(b',', DecimalMark::Point)),
            (format!("{}\r\n1;2;3;234,941;360;2023-01-01;51;66;9,0;F", header(";")), of(b';', DecimalMark::Comma)),
            (format!("sep=;\r\n{}\r\n1;2;3;234.9;360;x;51;66;9;F", header(";")), of(b';', DecimalMark::Point)),
            (format!("{}\r1\t2\t3\t234,9\t360\tx\t51\t66\t9\tF", header("\t")), of(b'\t', DecimalMark::Comma)),
            ("1;2;3;234,9;360;2023-01-01;51;66;9;F".into(), of(b';', DecimalMark::Comma)),
            ("what?".into(), None),
            (String::new(), None),
        ];
        for (text, expected) in cases {
            assert_eq!(detect(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_number_with_a_decimal_comma_has_its_point_and_an_ambiguous_one_is_left_to_its_rejection() {
        let cases = [("234,941", "234.941"), ("1.234,5", "1234.5"), ("51", "51"), (" 9,0 ", "9.0"), ("-1,5", "-1.5")];
        for (cell, expected) in cases {
            assert_eq!(with_point(cell.as_bytes()), expected.as_bytes(), "{cell}");
        }
        assert!(with_point(b"360.341").ends_with(b"decimal commas)"));
    }
}
