//! Rows in which a value may have been split at a delimiter: an unquoted decimal comma, or the comma of a name. The values
//! after it are then in the wrong columns.

use std::borrow::Cow;

use pipeline::record::{Column, ColumnKind, Reading, Rejection};

use super::header::Header;
use super::{is_blank, push_string};

/// Cells of a row for its columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub cells: &'a [Cow<'a, [u8]>],
    /// Number of blank cells after the last column.
    pub blanks: usize,
    pub delimiter: u8,
    pub line: u64,
}

/// Numbers of cells of the rows so far.
#[derive(Debug, Default)]
pub(super) struct CellCounts {
    /// Smallest number of cells of a row with all columns of a reading; `None` before the first one.
    fewest: Option<usize>,
    /// Line and number of cells of the longest row that can be read in two ways.
    ambiguous: Option<(u64, usize)>,
}

impl CellCounts {
    /// Returns the reason why values of a row may be in the wrong columns; `None` for most rows.
    ///
    /// # Errors
    /// Returns an error for the file if an earlier row can be read in two ways, and this row has fewer cells.
    pub(super) fn defect(&mut self, row: Row<'_>, header: &Header) -> Result<Option<String>, String> {
        let count = row.cells.len();
        if count <= header.last_known() {
            return Ok(None); // its last columns are missing, which rejects it
        }
        if let Some(at) = unnamed_value(row.cells, header) {
            return Ok(Some(format!("a value in column {}, which has no name", at + 1)));
        }
        if row.blanks > 0 && !is_trailing_delimiter(row, header) {
            return Ok(Some(format!("{} cells for {} columns", count + row.blanks, header.len())));
        }
        if let Some((line, longer)) = self.ambiguous.filter(|(_, longer)| *longer > count) {
            return Err(format!(
                "line {line} has {longer} cells, of which two may be one number with a decimal comma, and line {} has \
                 {count}: quote such numbers, or write them with a point",
                row.line
            ));
        }
        let fewest = self.fewest.map_or(count, |fewest| fewest.min(count));
        self.fewest = Some(fewest);
        if row.delimiter != b',' || !is_ambiguous(row.cells, header) {
            return Ok(None);
        }
        if fewest < count {
            return Ok(Some(format!("{count} cells, others have {fewest}: a decimal comma without quotes?")));
        }
        if self.ambiguous.is_none_or(|(_, longest)| longest < count) {
            self.ambiguous = Some((row.line, count));
        }
        Ok(None)
    }
}

/// Returns the position of a value in a column without a name. The first columns, such as the index of pandas, may have
/// none.
fn unnamed_value(cells: &[Cow<'_, [u8]>], header: &Header) -> Option<usize> {
    let first = header.cells().iter().position(|name| name.column.is_some())?;
    (first..cells.len()).find(|&at| header.cells()[at].unnamed && !is_blank(&cells[at]))
}

/// Returns true if blank cells after the last column show no more than a delimiter at the end of the row.
///
/// If the last named column is not one of a reading, a split value may have moved its blank cell there. The same holds if
/// the farm is the rest of a number with a decimal comma, in a row without a farm.
fn is_trailing_delimiter(row: Row<'_>, header: &Header) -> bool {
    let last = header.last_known();
    let is_last_name = header.cells().iter().skip(last + 1).all(|name| name.unnamed);
    let kind = |at: usize| header.cells()[at].column.map(Column::kind);
    let may_be_fraction = row.delimiter == b','
        && kind(last) == Some(ColumnKind::Text)
        && last > 0
        && kind(last - 1).is_some_and(ColumnKind::is_number)
        && is_digits(&row.cells[last - 1])
        && is_digits(&row.cells[last]);
    is_last_name && !may_be_fraction
}

/// Returns true if a row is also a reading with adjacent cells as one number with a decimal comma.
fn is_ambiguous(cells: &[Cow<'_, [u8]>], header: &Header) -> bool {
    if cells.len() < header.last_known() + 2 {
        return false;
    }
    let is_number = |at: usize| header.cells()[at].column.is_some_and(|column| column.kind().is_number());
    let mut pairs =
        (0..cells.len() - 1).filter(|&at| is_number(at) && is_digits(&cells[at]) && is_digits(&cells[at + 1]));
    pairs.any(|at| {
        let number = [cells[at].trim_ascii(), b".", cells[at + 1].trim_ascii()].concat();
        let mut joined = cells.to_vec();
        joined[at] = Cow::Owned(number);
        joined.remove(at + 1);
        is_reading(&joined, header) || is_ambiguous(&joined, header)
    })
}

fn is_reading(cells: &[Cow<'_, [u8]>], header: &Header) -> bool {
    let mut body = vec![b'{'];
    for (name, cell) in header.cells().iter().zip(cells) {
        if name.column.is_none_or(|column| column.is_optional() && is_blank(cell)) {
            continue;
        }
        if body.len() > 1 {
            body.push(b',');
        }
        push_string(&mut body, &name.name);
        body.push(b':');
        push_string(&mut body, cell);
    }
    body.push(b'}');
    matches!(Reading::parse(&body), Ok(_) | Err(Rejection::AmbiguousDate { .. }))
}

fn is_digits(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    !cell.is_empty() && cell.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::super::cells;
    use super::*;
    use crate::herd::COLUMNS;

    /// Returns the findings of two rows under the ten columns and these further names.
    fn findings(more: &str, rows: [&str; 2]) -> [Result<Option<String>, String>; 2] {
        let names = format!("{}{more}", COLUMNS.join(","));
        let header = Header::of(&cells(names.as_bytes(), b','));
        let mut counts = CellCounts::default();
        let mut line = 1;
        rows.map(|row| {
            line += 1;
            let mut row = cells(row.as_bytes(), b',');
            let blanks = row.len().saturating_sub(header.len());
            row.truncate(header.len());
            counts.defect(Row { cells: &row, blanks, delimiter: b',', line }, &header)
        })
    }

    #[test]
    fn rows_of_which_a_value_was_split_are_found() {
        let good = "7,2,3,450.5,451,2023-01-01,51,66,9,FazendaUm";
        let split = "7,2,3,450.5,451,2023-01-01,51,66,9,5,FazendaUm";
        let without_farm = "7,2,3,450.5,451,2023-01-01,51,66,9,5";
        let cases: [(&str, [&str; 2], &str); 7] = [
            (",", [good, split], "a value in column 11, which has no name"),
            (",", [&format!("{good},"), &format!("{split},")], "a value in column 11, which has no name"),
            (",obs", [&format!("{good},"), &format!("{split},")], "12 cells for 11 columns"),
            (",obs,", [&format!("{good},,"), &format!("{split},,")], "13 cells for 12 columns"),
            (",obs", [good, split], "11 cells, others have 10: a decimal comma without quotes?"),
            (",a,b", [good, &format!("{split},1")], "12 cells, others have 10: a decimal comma without quotes?"),
            ("", [good, &format!("{without_farm},")], "11 cells for 10 columns"),
        ];
        for (more, rows, why) in cases {
            assert_eq!(findings(more, rows), [Ok(None), Ok(Some(why.to_owned()))], "{more} {rows:?}");
        }
        let found = findings(",obs", [split, good]);
        assert!(found[0] == Ok(None) && found[1].as_ref().unwrap_err().starts_with("line 2 has 11 cells"), "{found:?}");
    }

    #[test]
    fn rows_with_all_values_in_their_columns_have_no_defect() {
        let good = "7,2,3,450,451,2023-01-01,51,66,9.5,FazendaUm";
        let numbered = "7,2,3,450,451,2023-01-01,51,66,9,123";
        let cases: [(&str, [&str; 2]); 8] = [
            ("", [good, numbered]),
            ("", [&format!("{good},"), good]),
            (",", [&format!("{good},"), &format!("{numbered},")]),
            (",,", [&format!("{good},,"), &format!("{numbered},")]),
            (",obs", [good, &format!("{good},5")]),
            (",obs", [&format!("{good},"), &format!("{numbered},x")]),
            (",obs,", [&format!("{good},x,"), &format!("{numbered},,")]),
            (",obs,obs", [&format!("{good},1,2"), &format!("{good},,3")]),
        ];
        for (more, rows) in cases {
            assert_eq!(findings(more, rows), [Ok(None), Ok(None)], "{more} {rows:?}");
        }
    }
}
