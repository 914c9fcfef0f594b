//! Rows in which a value may have been split at a delimiter: an unquoted decimal comma, or the comma of a name. The values
//! after it are then in the wrong columns.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use pipeline::record::{Column, ColumnKind};

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

/// Maximum number of rows that can be read in two ways in different columns.
const MAX_UNRESOLVED: usize = 64;

/// Numbers of cells of the rows so far.
#[derive(Debug, Default)]
pub(super) struct CellCounts {
    /// Smallest number of cells of a row with all columns of a reading; `None` before the first one.
    fewest: Option<usize>,
    /// Line and number of cells of the longest row that can be read in two ways.
    ambiguous: Option<(u64, usize)>,
    /// Whether some row can be read in one way only.
    any_clear: bool,
    /// Positions of texts, and of further columns, in which such a row has a number.
    numeric: BTreeSet<usize>,
    /// The first row with numbers at these positions that can be read in two ways. If no clear row has numbers there too,
    /// they are parts of split numbers.
    unresolved: BTreeMap<Vec<usize>, u64>,
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
        if row.delimiter != b',' {
            return Ok(None);
        }
        if !is_ambiguous(row.cells, header, Texts::AsTheyAre) {
            self.note_clear(row.cells, header);
            return Ok(None);
        }
        if fewest < count {
            return Ok(Some(format!("{count} cells, others have {fewest}: a decimal comma without quotes?")));
        }
        if self.ambiguous.is_none_or(|(_, longest)| longest < count) {
            self.ambiguous = Some((row.line, count));
        }
        Ok(self.resolve(row, header))
    }

    /// Records where a row has numbers, if it can be read in one way only.
    fn note_clear(&mut self, cells: &[Cow<'_, [u8]>], header: &Header) {
        if cells.len() <= header.last_known() + 1 {
            return; // it cannot have a split value
        }
        let found = numbers_in_texts(cells, header);
        let is_new = !self.any_clear || found.iter().any(|at| !self.numeric.contains(at));
        if is_new && is_reading(cells, header, Texts::AsTheyAre) && !is_ambiguous(cells, header, Texts::Any) {
            self.any_clear = true;
            self.numeric.extend(found);
        }
    }

    /// Returns the defect of a row that can be read in two ways: a text of it is a number, and those of clear rows are
    /// not. Before the first clear row, only the end of the file decides.
    fn resolve(&mut self, row: Row<'_>, header: &Header) -> Option<String> {
        let found = numbers_in_texts(row.cells, header);
        if found.iter().all(|at| self.numeric.contains(at)) {
            return None;
        }
        if self.any_clear || self.unresolved.len() >= MAX_UNRESOLVED {
            let at = found.iter().find(|at| !self.numeric.contains(at)).copied().unwrap_or_default();
            let name = String::from_utf8_lossy(&header.cells()[at].name).into_owned();
            let value = String::from_utf8_lossy(row.cells[at].trim_ascii()).into_owned();
            return Some(format!("{name} would be {value}: a number with a comma without quotes?"));
        }
        self.unresolved.entry(found).or_insert(row.line);
        None
    }

    /// Checks the file at its end.
    ///
    /// # Errors
    /// Returns an error if a row can be read in two ways, and no other row shows which is right.
    pub(super) fn check_end(&self) -> Result<(), String> {
        let is_open = |found: &&Vec<usize>| !found.iter().all(|at| self.numeric.contains(at));
        match self.unresolved.iter().filter(|(found, _)| is_open(found)).map(|(_, line)| line).min() {
            None => Ok(()),
            Some(line) => Err(format!(
                "line {line} can be read in two ways, because two of its cells may be one number with a comma: quote such \
                 numbers, or write all of them with a point (9.0 in place of 9)"
            )),
        }
    }
}

/// Returns the positions of texts, and of further columns, whose cells are numbers. Only cells after a number can be the
/// rest of it.
fn numbers_in_texts(cells: &[Cow<'_, [u8]>], header: &Header) -> Vec<usize> {
    let kind = |at: usize| header.cells()[at].column.map(Column::kind);
    let first = (0..cells.len()).find(|&at| kind(at).is_some_and(ColumnKind::is_number)).unwrap_or(cells.len());
    let is_text = |at: usize| kind(at).is_none_or(|kind| kind == ColumnKind::Text);
    (first..cells.len()).filter(|&at| is_text(at) && is_number(&cells[at])).collect()
}

/// Returns true for digits with or without a fraction.
fn is_number(cell: &[u8]) -> bool {
    let mut parts = cell.trim_ascii().splitn(2, |byte| *byte == b'.');
    parts.next().is_some_and(is_digits) && parts.next().is_none_or(is_digits)
}

/// Reading of the texts of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    /// A row with an invalid text is no reading.
    AsTheyAre,
    /// Any text is valid, also a missing one.
    Any,
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

/// Returns true if a row is also a reading with adjacent cells as one number: with a decimal comma, or with a comma that
/// groups digits.
fn is_ambiguous(cells: &[Cow<'_, [u8]>], header: &Header, texts: Texts) -> bool {
    if cells.len() < header.last_known() + 2 {
        return false;
    }
    let is_column = |at: usize| header.cells()[at].column.is_some_and(|column| column.kind().is_number());
    (0..cells.len() - 1).filter(|&at| is_column(at)).any(|at| {
        joined(&cells[at], &cells[at + 1]).into_iter().flatten().any(|number| {
            let mut joined = cells.to_vec();
            joined[at] = Cow::Owned(number);
            joined.remove(at + 1);
            is_reading(&joined, header, texts) || is_ambiguous(&joined, header, texts)
        })
    })
}

/// Returns the numbers that two cells may be a part of: `9` and `5` are 9.5, and `1` and `234.5` also 1234.5.
fn joined(whole: &[u8], rest: &[u8]) -> [Option<Vec<u8>>; 2] {
    let (whole, rest) = (whole.trim_ascii(), rest.trim_ascii());
    let is_whole = is_digits(whole);
    let fraction = (is_whole && is_digits(rest)).then(|| [whole, b".", rest].concat());
    let group = rest.iter().position(|byte| *byte == b'.').unwrap_or(rest.len());
    let is_group = is_whole && whole.len() <= 3 && whole[0] != b'0' && group == 3 && is_number(rest);
    [fraction, is_group.then(|| [whole, rest].concat())]
}

fn is_reading(cells: &[Cow<'_, [u8]>], header: &Header, texts: Texts) -> bool {
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
        let is_text = name.column.is_some_and(|column| column.kind() == ColumnKind::Text);
        let cell: &[u8] = if is_text && texts == Texts::Any { b"x" } else { cell };
        push_string(&mut body, cell);
    }
    body.push(b'}');
    super::is_reading(&body)
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

    /// Returns the findings of rows under the ten columns and a column `obs`: defects, and the reason at the end.
    fn file_findings(rows: &[&str]) -> (Vec<u64>, Option<String>) {
        let header = Header::of(&cells(format!("{},obs", COLUMNS.join(",")).as_bytes(), b','));
        let (mut counts, mut defects) = (CellCounts::default(), Vec::new());
        for (row, line) in rows.iter().zip(2..) {
            let row = cells(row.as_bytes(), b',');
            match counts.defect(Row { cells: &row, blanks: 0, delimiter: b',', line }, &header) {
                Ok(None) => {}
                Ok(Some(_)) => defects.push(line),
                Err(why) => return (defects, Some(why)),
            }
        }
        (defects, counts.check_end().err())
    }

    #[test]
    fn a_file_of_which_every_row_is_split_is_rejected_and_single_rows_are_if_others_show_it() {
        let split = "7,2,3,450.5,451,2023-01-01,51,66,9,5,FazendaUm";
        let grouped = "7,2,3,450.5,451,2023-01-01,1,234,66,9.5,FazendaUm";
        let full = "7,2,3,450.5,451,2023-01-01,51,66,9.5,FazendaUm,x";
        let numbered = "7,2,3,450.5,451,2023-01-01,51,66,9,123,x";
        let fraction = "7,2,3,450.5,451,2023-01-01,51,66,9.5,123,";
        for rows in [&[split][..], &[split, split], &[grouped, grouped], &[numbered], &[split, full]] {
            let (defects, why) = file_findings(rows);
            assert!(defects.is_empty() && why.is_some_and(|why| why.starts_with("line 2 can be read in two ways")));
        }
        for rows in [&[full, split][..], &[full, grouped], &[full, numbered]] {
            assert_eq!(file_findings(rows), (vec![3], None), "{rows:?}");
        }
        for rows in [&[fraction, numbered][..], &[numbered, fraction], &[full, full], &[fraction]] {
            assert_eq!(file_findings(rows), (vec![], None), "{rows:?}");
        }
    }

    #[test]
    fn two_cells_may_be_one_number_in_two_ways() {
        let of = |whole: &str, rest: &str| -> Vec<String> {
            joined(whole.as_bytes(), rest.as_bytes())
                .into_iter()
                .flatten()
                .map(|n| String::from_utf8(n).unwrap())
                .collect()
        };
        assert_eq!(of("9", "5"), ["9.5"]);
        assert_eq!(of("1", "234"), ["1.234", "1234"]);
        assert_eq!(of(" 1", "234.5 "), ["1234.5"]);
        for (whole, rest) in [("a", "5"), ("9", "x"), ("9", ""), ("", "9"), ("9.5", "1"), ("0", "12.5"), ("1", "23.5")]
        {
            assert!(of(whole, rest).is_empty(), "{whole} {rest}");
        }
        assert_eq!(of("0", "123"), ["0.123"]);
    }

    #[test]
    fn rows_with_all_values_in_their_columns_have_no_defect() {
        let good = "7,2,3,450,451,2023-01-01,51,66,9.5,FazendaUm";
        let numbered = "7,2,3,450,451,2023-01-01,51,66,9,123";
        let cases: [(&str, [&str; 2]); 7] = [
            ("", [good, numbered]),
            ("", [&format!("{good},"), good]),
            (",", [&format!("{good},"), &format!("{numbered},")]),
            (",,", [&format!("{good},,"), &format!("{numbered},")]),
            (",obs", [good, &format!("{good},5")]),
            (",obs,", [&format!("{good},x,"), &format!("{numbered},,")]),
            (",obs,obs", [&format!("{good},1,2"), &format!("{good},,3")]),
        ];
        for (more, rows) in cases {
            assert_eq!(findings(more, rows), [Ok(None), Ok(None)], "{more} {rows:?}");
        }
    }
}
