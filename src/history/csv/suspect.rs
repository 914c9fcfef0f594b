//! Rows that look like readings and are not: truncated at the end of the file, commented out, or with another quote
//! character.

use std::borrow::Cow;

use pipeline::record::{Column, ColumnKind};

use super::header::{Header, column};
use super::{DELIMITERS, NAMES_OF_A_HEADER, cells};

/// Minimum number of digits after a `#` that are an id: a pen may be called `#12`.
const ID_DIGITS: usize = 6;

/// Number of earlier rows from which on the shortest number or id of a file may be truncated. The texts of numbers differ in
/// length, those of dates do not.
const ROWS_OF_LENGTHS: u64 = 4;

/// Maximum number of different names of farms that are compared with the last one.
const MAX_NAMES: usize = 64;

/// Minimum length of a cell that may be the end of a row and a header.
const MIN_HEADER_BYTES: usize = 60;

/// End of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A line feed follows.
    Terminated,
    /// The file ends with the row, after a closing quote.
    Quoted,
    /// The file ends with the row, perhaps within its last cell.
    Open,
}

impl Ending {
    /// Returns the ending of a row; `is_last` means that the file ends with it, without a line feed.
    pub(super) fn of(row: &[u8], is_last: bool) -> Self {
        if !is_last {
            Self::Terminated
        } else if row.trim_ascii_end().ends_with(b"\"") {
            Self::Quoted
        } else {
            Self::Open
        }
    }
}

/// Findings from the rows before a row.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// A row has a cell for every column.
    full: bool,
    /// A row starts with a number.
    numbered: bool,
    /// Value of the last column of a reading in the previous row.
    value: Vec<u8>,
    /// Values of that column.
    last: LastValues,
}

/// Values of the last column of a reading.
#[derive(Debug, Default)]
struct LastValues {
    count: u64,
    /// Length of the shortest one.
    shortest: usize,
    /// Different names of farms.
    names: Vec<Vec<u8>>,
}

impl LastValues {
    fn add(&mut self, value: &[u8], column: Column) {
        self.shortest = if self.count == 0 { value.len() } else { self.shortest.min(value.len()) };
        self.count += 1;
        let is_name = column == Column::CodCliente && self.names.len() < MAX_NAMES;
        if is_name && !self.names.iter().rev().any(|name| name == value) {
            self.names.push(value.to_vec());
        }
    }

    /// Returns true if a value is probably the beginning of another one: of the name of an earlier farm, or of an id, a
    /// number or a date that has fewer characters than all earlier ones.
    fn is_truncated(&self, value: &[u8], column: Column) -> bool {
        if value.is_empty() || self.count == 0 {
            return false;
        }
        if column == Column::CodCliente {
            return !self.names.iter().any(|name| name == value)
                && self.names.iter().any(|name| name.starts_with(value));
        }
        let rows = if column.kind() == ColumnKind::Instant { 1 } else { ROWS_OF_LENGTHS };
        self.count >= rows && value.len() < self.shortest
    }
}

impl Before {
    /// Returns the fault of a row; `None` for most rows.
    ///
    /// The row with which a file ends, without a line feed, may lack cells that are optional. It is truncated if its value is
    /// the beginning of the previous one, or if the value at its end is shorter than others.
    pub(super) fn defect(&mut self, cells: &[Cow<'_, [u8]>], header: &Header, ending: Ending) -> Option<String> {
        let columns = header.cells().iter().rposition(|cell| !cell.anonymous).map_or(0, |at| at + 1);
        let first = cells.first().map(|cell| cell.trim_ascii()).unwrap_or_default();
        let value = cells.get(header.last_known()).map_or(&b""[..], |cell| cell.trim_ascii());
        let ends_with_it = cells.len() == header.last_known() + 1;
        let is_short = cells.len() < columns && ends_with_it;
        let is_begin = value.len() < self.value.len() && self.value.starts_with(value);
        if ending != Ending::Terminated && self.full && is_short && is_begin {
            return Some(format!("the file ends within this row: {} cells for {columns} columns", cells.len()));
        }
        if cells.len() > header.last_known()
            && let Some(column) = header.cells()[header.last_known()].column
        {
            if ending == Ending::Open && ends_with_it && self.last.is_truncated(value, column) {
                return Some("cut at the end of the file? if not, add a line feed".to_owned());
            }
            self.last.add(value, column);
        }
        self.full |= cells.len() >= columns;
        self.value.clear();
        self.value.extend_from_slice(value);
        self.numbered |= is_digits(first);
        let commented = first.strip_prefix(b"#").map(<[u8]>::trim_ascii).filter(|rest| is_digits(rest));
        let is_comment = commented.is_some_and(|digits| self.numbered || digits.len() >= ID_DIGITS);
        is_comment.then(|| "is this row commented out with #?".to_owned())
    }
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Returns true if the ids and the farm of a row are in apostrophes, which are then the quote character of the file.
pub(super) fn is_single_quoted(cells: &[Cow<'_, [u8]>], header: &Header) -> bool {
    let is_text =
        |column| matches!(column, Some(Column::IdCurral | Column::IdRaca | Column::IdLote | Column::CodCliente));
    let is_quoted = |cell: &[u8]| cell.len() >= 2 && cell.starts_with(b"'") && cell.ends_with(b"'");
    let mut texts = header.cells().iter().zip(cells).filter(|(name, _)| is_text(name.column)).map(|(_, cell)| cell);
    texts.clone().count() == 4 && texts.all(|cell| is_quoted(cell.trim_ascii()))
}

/// Returns true if a header follows a row on its line: two files were joined, and the first one has no line feed at its end.
/// `unexpected` are the cells after the last column.
pub(super) fn is_joined_with_header(cells_of_row: &[Cow<'_, [u8]>], unexpected: &[Cow<'_, [u8]>]) -> bool {
    let names = |cells: &[Cow<'_, [u8]>]| cells.iter().filter(|cell| column(cell.trim_ascii()).is_some()).count();
    if unexpected.len() >= NAMES_OF_A_HEADER {
        return names(unexpected) >= NAMES_OF_A_HEADER;
    }
    // The header may have another delimiter.
    let last = cells_of_row.last().filter(|cell| cell.len() >= MIN_HEADER_BYTES);
    last.is_some_and(|last| DELIMITERS.into_iter().any(|delimiter| names(&cells(last, delimiter)) >= NAMES_OF_A_HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::COLUMNS;

    /// Returns whether the last row of a file is truncated, with these values of its last column.
    fn is_last_truncated(last: &str, values: &[&str], is_last: bool) -> bool {
        let mut names: Vec<&str> = COLUMNS.into_iter().filter(|name| *name != last).collect();
        names.push(last);
        let header = Header::of(&cells(names.join(",").as_bytes(), b','));
        let (mut before, mut found) = (Before::default(), None);
        for (value, number) in values.iter().zip(1..) {
            let row = format!("1,2,3,4,5,6,7,8,9,{value}");
            let ending = Ending::of(row.as_bytes(), is_last && number == values.len());
            found = before.defect(&cells(row.as_bytes(), b','), &header, ending);
        }
        found.is_some_and(|why| why.ends_with("if not, add a line feed"))
    }

    #[test]
    fn a_file_that_ends_within_its_last_value_is_recognized() {
        for (last, values, truncated) in [
            ("cod_cliente", &["FazendaUm", "FazendaUm", "Fazend"][..], true),
            ("cod_cliente", &["Um", "FazendaUm", "F"], true),
            ("cod_cliente", &["FazendaUm", "\"Fazenda\""], false),
            ("cod_cliente", &["Fazenda", "FazendaUm", "Fazenda"], false),
            ("cod_cliente", &["FazendaUm", "FazendaDois"], false),
            ("cod_cliente", &["Fazend"], false),
            ("data", &["2023-01-01", "2023-01-0"], true),
            ("data", &["2023-01-01", "2023-01-02"], false),
            ("id_curral", &["25994051003275", "27182161003291", "9000001", "42658701012576", "426587"], true),
            ("id_curral", &["25994051003275", "27182161003291", "9000001", "42658701012576", "4265874"], false),
            ("id_curral", &["25994051003275", "9000001"], false),
            ("consumo_real", &["9.076451", "17.39676", "17.40448", "16.35168", "15.5"], true),
            ("consumo_real", &["9.5", "17.396763", "17.40448", "17.03568", "15.5"], false),
        ] {
            assert_eq!(is_last_truncated(last, values, true), truncated, "{last} {values:?}");
            assert!(!is_last_truncated(last, values, false), "{last} {values:?}");
        }
    }

    #[test]
    fn a_header_after_a_row_on_its_line_is_recognized() {
        let of = |line: &str| {
            let mut row = cells(line.as_bytes(), b',');
            let unexpected = row.split_off(row.len().min(COLUMNS.len()));
            is_joined_with_header(&row, &unexpected)
        };
        let row = "1,2,3,4,5,6,7,8,9,FazendaUm";
        let mut other = COLUMNS;
        other.swap(3, 4);
        for delimiter in [",", ";", "\t"] {
            assert!(of(&format!("{row}{}", other.join(delimiter))), "{delimiter}");
            assert!(of(&format!("{row}\u{feff}{}", COLUMNS.join(delimiter))), "{delimiter}");
        }
        for line in [row.to_owned(), format!("{row},1,2,3,4,5,6,7,8"), format!("{row}{}", "; x".repeat(30))] {
            assert!(!of(&line), "{line}");
        }
    }
}
