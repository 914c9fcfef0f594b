//! Rows that look like readings and are not: truncated at the end of the file, commented out, or with another quote
//! character.

use std::borrow::Cow;

use pipeline::record::Column;

use super::header::Header;

/// Minimum number of digits after a `#` that are an id: a pen may be called `#12`.
const ID_DIGITS: usize = 6;

/// Findings from the rows before a row.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// A row has a cell for every column.
    full: bool,
    /// A row starts with a number.
    numbered: bool,
    /// Value of the last column of a reading in the previous row.
    value: Vec<u8>,
}

impl Before {
    /// Returns the fault of a row; `None` for most rows. `is_last` means that the file ends with it, without a line
    /// feed.
    ///
    /// Such a row may lack cells that are optional. It is truncated if its value is the beginning of the previous one.
    pub(super) fn defect(&mut self, cells: &[Cow<'_, [u8]>], header: &Header, is_last: bool) -> Option<String> {
        let columns = header.cells().iter().rposition(|cell| !cell.anonymous).map_or(0, |at| at + 1);
        let first = cells.first().map(|cell| cell.trim_ascii()).unwrap_or_default();
        let value = cells.get(header.last_known()).map_or(&b""[..], |cell| cell.trim_ascii());
        let is_short = cells.len() < columns && cells.len() == header.last_known() + 1;
        let is_begin = value.len() < self.value.len() && self.value.starts_with(value);
        if is_last && self.full && is_short && is_begin {
            return Some(format!("the file ends within this row: {} cells for {columns} columns", cells.len()));
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
