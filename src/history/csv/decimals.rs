//! The decimal mark of a file: stated, or shown by its numbers. A file that shows none is rejected at its end, and so is one
//! with both marks.

use std::borrow::Cow;

use super::super::cause::Cause;
use super::super::decimal_mark::DecimalMark;
use super::Csv;
use super::number::{Form, by_stated_mark, is_rounded, plain, with_point};

/// Evidence of the numbers of a file about its decimal mark.
#[derive(Debug, Default)]
pub(super) struct Decimals {
    /// Decimal mark that the user stated; `None` to detect it.
    stated: Option<DecimalMark>,
    /// Line of the first number with a mark.
    marked: u64,
    /// Whether a number shows the decimal mark.
    any_clear: bool,
    /// The first number of which a mark may group digits, and its line.
    first_grouped: Option<(String, u64)>,
}

impl Decimals {
    /// Creates the state of a file with a stated mark, or none.
    pub(super) fn of(stated: Option<DecimalMark>) -> Self {
        Self { stated, ..Self::default() }
    }

    /// Returns the mark that the user stated.
    pub(super) fn stated(&self) -> Option<DecimalMark> {
        self.stated
    }

    /// Returns a number as it is in a message: with a decimal point, and without the marks of a spreadsheet.
    ///
    /// # Errors
    /// Returns an error if the number shows another decimal mark than the stated one, or than earlier numbers.
    pub(super) fn read<'a>(&mut self, csv: &mut Csv, cell: &'a [u8], line: u64) -> Result<Cow<'a, [u8]>, Cause> {
        if is_rounded(cell) {
            return Ok(Cow::Owned([cell.trim_ascii(), b" (rounded in a spreadsheet)"].concat()));
        }
        if let Some(mark) = self.stated {
            return match by_stated_mark(cell, mark) {
                Ok(number) => Ok(number),
                Err(other) => Err(Cause::Rejected(format!(
                    "line {line} has the number {}, which has no decimal {mark}: is it --decimal-mark {other}?",
                    shown(cell)
                ))),
            };
        }
        // Commas may also group digits if they are the delimiter.
        let may_differ = csv.delimiter != b',' || csv.decimal == Some(DecimalMark::Comma);
        let form = if may_differ { Form::of(cell) } else { None };
        if let Some(form) = form {
            self.note(csv, form, cell, line)?;
        }
        match (csv.decimal, form) {
            (Some(DecimalMark::Comma), _) => Ok(with_point(cell)),
            (_, Some(Form::Clear(mark))) => Ok(by_stated_mark(cell, mark).unwrap_or(Cow::Borrowed(plain(cell)))),
            _ => Ok(Cow::Borrowed(plain(cell))),
        }
    }

    /// Records what a number shows. Until one shows the mark, a mark that may group digits is read as the decimal mark.
    ///
    /// # Errors
    /// Returns an error if earlier numbers have the other mark, unless the number is invalid as it is.
    fn note(&mut self, csv: &mut Csv, form: Form, cell: &[u8], line: u64) -> Result<(), Cause> {
        let (mark, is_clear) = form.shows(csv.delimiter);
        if is_clear {
            self.any_clear = true;
        } else {
            self.first_grouped.get_or_insert_with(|| (shown(cell), line));
        }
        if self.marked == 0 && csv.decimal.is_none_or(|before| before == mark) {
            self.marked = line;
        }
        match csv.decimal {
            // `1.234` in a file with decimal commas is one invalid number.
            Some(before) if before != mark && (is_clear || mark == DecimalMark::Comma) => {
                Err(Cause::Rejected(format!(
                    "line {line} has a number with a {mark} ({}), and other lines have numbers with {}s{}: use one decimal \
                 mark, or pass --decimal-mark point or --decimal-mark comma if the other one groups digits",
                    shown(cell),
                    before,
                    if (1..line).contains(&self.marked) { format!(" (line {})", self.marked) } else { String::new() },
                )))
            }
            Some(_) => Ok(()),
            None => {
                csv.decimal = Some(mark);
                Ok(())
            }
        }
    }

    /// Checks the file at its end.
    ///
    /// # Errors
    /// Returns an error if it has numbers with marks, and none of them shows the decimal mark.
    pub(super) fn check_end(&self) -> Result<(), String> {
        match &self.first_grouped {
            Some((number, line)) if !self.any_clear => Err(format!(
                "whether {number} in line {line} has grouped digits or a fraction is unknown, and no other number of the \
                 file shows it: pass --decimal-mark point or --decimal-mark comma"
            )),
            _ => Ok(()),
        }
    }
}

/// Returns a number for an error message.
fn shown(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell.trim_ascii()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the numbers of a file as they are in messages, and why it is rejected.
    fn read(delimiter: u8, stated: Option<DecimalMark>, numbers: &[&str]) -> (Vec<String>, Option<String>) {
        let mut csv = Csv { delimiter, decimal: stated, header: true };
        let (mut decimals, mut found) = (Decimals::of(stated), Vec::new());
        for (number, line) in numbers.iter().zip(2..) {
            match decimals.read(&mut csv, number.as_bytes(), line) {
                Ok(number) => found.push(String::from_utf8(number.into_owned()).unwrap()),
                Err(why) => return (found, Some(why.to_string())),
            }
        }
        (found, decimals.check_end().err())
    }

    #[test]
    fn a_file_that_shows_no_mark_is_rejected_at_its_end_and_read_with_the_flag() {
        for delimiter in *b";\t|" {
            let (_, why) = read(delimiter, None, &["987", "1.234", "2.000"]);
            let why = why.unwrap();
            assert!(why.contains("1.234 in line 3") && why.contains("--decimal-mark comma"), "{why}");
            assert_eq!(read(delimiter, None, &["1.234", "9.5"]), (vec!["1.234".into(), "9.5".into()], None));
            let comma = read(delimiter, Some(DecimalMark::Comma), &["1.234", "987", "1.234,5"]);
            assert_eq!(comma, (vec!["1234".into(), "987".into(), "1234.5".into()], None));
            assert_eq!(read(delimiter, Some(DecimalMark::Point), &["1,234"]), (vec!["1234".into()], None));
        }
        assert!(read(b'\t', None, &["1,234"]).1.is_some(), "an English spreadsheet may have grouped it");
        assert_eq!(read(b';', None, &["1,234"]), (vec!["1.234".into()], None));
        assert_eq!(read(b';', None, &["987"]).1, None);
    }

    #[test]
    fn a_number_that_a_spreadsheet_rounded_stays_invalid() {
        let (found, _) = read(b',', None, &["2.35E+02", "2.34941E+02"]);
        assert_eq!(found, ["2.35E+02 (rounded in a spreadsheet)", "2.34941E+02"]);
    }

    #[test]
    fn a_number_with_the_other_mark_rejects_the_file() {
        let (_, why) = read(b';', Some(DecimalMark::Comma), &["9,5", "9.5"]);
        assert_eq!(why.unwrap(), "line 3 has the number 9.5, which has no decimal comma: is it --decimal-mark point?");
        let (_, why) = read(b';', None, &["9.5", "9,5"]);
        let why = why.unwrap();
        assert!(
            why.contains("line 3 has a number with a comma (9,5), and other lines have numbers with points (line 2)")
        );
        for delimiter in *b";\t|" {
            let (_, why) = read(delimiter, None, &["9,5", "987", "9.5"]);
            let why = why.unwrap();
            assert!(why.contains("line 4 has a number with a point (9.5)") && why.contains("(line 2)"), "{why}");
        }
    }

    #[test]
    fn english_groups_of_digits_are_not_read_as_fractions() {
        for numbers in [["987", "1,234.5", "2,000"], ["2,000", "987", "1,234.5"], ["2,000", "9.5", "987"]] {
            for delimiter in *b";\t|" {
                let (_, why) = read(delimiter, None, &numbers);
                assert!(why.is_some_and(|why| why.contains("--decimal-mark point")), "{numbers:?}");
                let (found, why) = read(delimiter, Some(DecimalMark::Point), &numbers);
                assert!(why.is_none() && found.iter().any(|number| number == "2000"), "{found:?}");
            }
        }
        assert_eq!(read(b'\t', None, &["1,234.5", "9.5"]), (vec!["1234.5".into(), "9.5".into()], None));
    }
}
