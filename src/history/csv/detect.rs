//! Detection of a CSV file from its first bytes: delimiter, decimal mark, and whether it has a header.

use pipeline::record::Column;

use super::super::decimal_mark::DecimalMark;
use super::header::{Header, column};
use super::number::Form;
use super::{Csv, NAMES_OF_A_HEADER, Rows, cells};
use crate::herd::COLUMNS;

/// Delimiters that are tried, the most probable first.
pub(in crate::history) const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Lines that are tried as readings of a file without a header.
const TRIED: usize = 20;

/// Minimum number of cells of a header with unknown names.
const CELLS_OF_A_HEADER: usize = 5;

/// Detects the CSV format from the first bytes of a file, in UTF-8. `None` if it does not look like CSV.
///
/// # Errors
/// Returns an error if it looks like a table, but not like one of readings.
pub(in super::super) fn detect(head: &[u8], is_named_csv: bool) -> Result<Option<Csv>, String> {
    let lines: Vec<&[u8]> = head
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(|line| line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    let stated = lines.first().and_then(|line| separator(line));
    let lines = &lines[usize::from(stated.is_some())..];
    let delimiters = match &stated {
        Some(delimiter) => std::slice::from_ref(delimiter),
        None => &DELIMITERS[..],
    };
    let Some(first) = lines.first() else { return Ok(None) };
    if let Some(why) = stated.and_then(|stated| other_separator(first, stated)) {
        return Err(why);
    }
    let known = |line: &[u8], delimiter: u8| Header::of(&cells(line, delimiter)).known();
    // The first of several with the most names: `max_by_key` would return the last.
    let best = delimiters.iter().rev().copied().max_by_key(|&delimiter| known(first, delimiter));
    let Some(delimiter) = best else { return Ok(None) };
    if known(first, delimiter) > 0 {
        let header = Header::of(&cells(first, delimiter));
        if let Some(why) = other_rows(&lines[1..], delimiter) {
            return Err(why);
        }
        return Ok(Some(Csv { delimiter, decimal: decimal_mark(&header, &lines[1..], delimiter), header: true }));
    }
    if let Some(why) = other_delimiter(first) {
        return Err(why);
    }
    let header = (1..lines.len()).find(|&at| delimiters.iter().any(|&d| known(lines[at], d) == COLUMNS.len()));
    let before = &lines[..header.unwrap_or(lines.len())];
    if let Some(csv) = without_header(before, delimiters).filter(|csv| !is_header_of_others(first, csv.delimiter)) {
        return Ok(Some(csv));
    }
    let is_table = delimiters.iter().any(|&delimiter| is_header_of_others(first, delimiter));
    match header {
        Some(at) if is_named_csv || is_table || stated.is_some() => Err(format!(
            "its header is preceded by {at} other lines: remove them, so that the header is the first line"
        )),
        _ if is_named_csv || is_table => Err(format!(
            "its first line is neither a header nor a reading ({}): add a header with the columns {}",
            shown(first),
            COLUMNS.join(", ")
        )),
        _ => Ok(None),
    }
}

/// Returns the reason to reject a table whose header has another delimiter, such as spaces; `None` for any other line.
fn other_delimiter(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?;
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let names = text.split(|c| !is_of_name(c)).filter(|name| Column::from_name(&name.to_ascii_lowercase()).is_some());
    // JSON has the names too.
    (!text.contains('{') && names.count() >= NAMES_OF_A_HEADER).then(|| {
        "the delimiter of its columns is not known: write it with commas, semicolons, tabs or bars between them"
            .to_owned()
    })
}

/// Returns the delimiter in a first line `sep=;`, as written and read by Excel. Other programs put it in quotes.
pub(super) fn separator(line: &[u8]) -> Option<u8> {
    let trimmed = line.trim_ascii_end();
    let line = trimmed.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, delimiter) = line.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    match delimiter.trim_ascii_end() {
        [delimiter] => Some(*delimiter),
        [] if delimiter.starts_with(b"\t") => Some(b'\t'),
        _ => None,
    }
}

/// Returns the reason to reject a file whose line `sep=` states another delimiter than its header has.
fn other_separator(header: &[u8], stated: u8) -> Option<String> {
    let has_names = |delimiter: u8| Header::of(&cells(header, delimiter)).known() >= NAMES_OF_A_HEADER;
    let other = DELIMITERS.into_iter().find(|&delimiter| delimiter != stated && has_names(delimiter))?;
    Some(format!(
        "its first line states that {} is the delimiter, and its header has {}: remove the first line",
        named(stated),
        named(other)
    ))
}

/// Returns the reason to reject a file whose first rows all have another delimiter than its header.
fn other_rows(rows: &[&[u8]], delimiter: u8) -> Option<String> {
    let is_json = |row: &[u8]| row.trim_ascii_start().starts_with(b"{");
    let rows: Vec<&[u8]> = rows.iter().copied().take(TRIED).filter(|row| !is_json(row)).collect();
    if rows.is_empty() {
        return None;
    }
    let has_all = |other: u8| rows.iter().all(|row| cells(row, other).len() >= COLUMNS.len());
    let other = DELIMITERS.into_iter().find(|&other| has_all(other))?;
    let has_few = |row: &&[u8]| cells(row, delimiter).len() < COLUMNS.len();
    (other != delimiter && rows.iter().all(has_few)).then(|| {
        format!(
            "its header has {} as the delimiter, and its rows have {}: write both with the same one",
            named(delimiter),
            named(other)
        )
    })
}

/// Returns a delimiter for an error message.
fn named(delimiter: u8) -> String {
    if delimiter == b'\t' { "a tab".to_owned() } else { char::from(delimiter).escape_debug().to_string() }
}

/// Returns the format of a file without a header: the later part of another, in which a line is a reading.
fn without_header(lines: &[&[u8]], delimiters: &[u8]) -> Option<Csv> {
    let header = Header::standard();
    let of = |&delimiter: &u8| {
        let csv = Csv { delimiter, decimal: decimal_mark(&header, lines, delimiter), header: false };
        lines.iter().take(TRIED).any(|line| is_reading(csv, line)).then_some(csv)
    };
    delimiters.iter().find_map(of)
}

fn is_reading(csv: Csv, line: &[u8]) -> bool {
    let mut rows = Rows::of(csv);
    let Ok(Some(message)) = rows.message(line, 1, false) else { return false };
    super::is_reading(&message)
}

/// Returns true for a line that names columns, none of them known: several cells, all of which start with a letter.
fn is_header_of_others(line: &[u8], delimiter: u8) -> bool {
    let cells = cells(line, delimiter);
    let names = cells.iter().map(|cell| cell.trim_ascii()).filter(|cell| !cell.is_empty());
    let starts = |name: &[u8]| String::from_utf8_lossy(name).starts_with(char::is_alphabetic);
    names.clone().count() >= CELLS_OF_A_HEADER
        && names.clone().all(starts)
        && names.clone().all(|name| column(name).is_none())
}

/// Returns the decimal mark that the numbers of the first rows show; `None` if they show none.
///
/// In a file with another delimiter, the first number decides whose mark cannot group digits. In a file with commas as the
/// delimiter, a comma may group digits, unless some number excludes that and no number has a point.
fn decimal_mark(header: &Header, rows: &[&[u8]], delimiter: u8) -> Option<DecimalMark> {
    let positions: Vec<usize> =
        (0..header.len()).filter(|&at| header.cells()[at].column.is_some_and(|c| c.kind().is_number())).collect();
    let (mut any_point, mut first) = (false, None);
    for row in rows {
        let cells = cells(row, delimiter);
        for form in positions.iter().filter_map(|&at| cells.get(at)).filter_map(|cell| Form::of(cell)) {
            let (mark, is_clear) = form.shows(delimiter);
            any_point |= mark == DecimalMark::Point;
            first = first.or(is_clear.then_some(mark));
        }
    }
    match delimiter {
        b',' if any_point => Some(DecimalMark::Point),
        b',' => first.or(Some(DecimalMark::Point)),
        _ => first,
    }
}

/// Returns the beginning of a line, for an error message.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown: String = text.trim().chars().take(60).flat_map(char::escape_debug).collect();
    if text.trim().chars().count() > 60 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(delimiter: &str) -> String {
        COLUMNS.join(delimiter)
    }

    #[test]
    fn delimiter_and_decimal_mark_are_detected_from_header_and_first_rows() {
        let of = |delimiter, decimal, header| Ok(Some(Csv { delimiter, decimal, header }));
        let (point, comma) = (Some(DecimalMark::Point), Some(DecimalMark::Comma));
        let cases = [
            (format!("{}\n1,2,3,234.9,360,2023-01-01,51,66,9.0,F", header(",")), of(b',', point, true)),
            (format!("{}\r\n1;2;3;234,941;360;2023-01-01;51;66;9,0;F", header(";")), of(b';', comma, true)),
            (format!("sep=;\r\n{}\r\n1;2;3;234.9;360;x;51;66;9;F", header(";")), of(b';', point, true)),
            (format!("{}\r1\t2\t3\t234,9\t360\tx\t51\t66\t9\tF", header("\t")), of(b'\t', comma, true)),
            (format!("{}\n1;2;3;234;360;x;51;66;9;F", header(";")), of(b';', None, true)),
            (format!("{}\n1,2,3,\"234,9\",360,x,51,66,9,F", header(",")), of(b',', comma, true)),
            (format!("{}\n1,2,3,\"234,941\",360,x,51,66,9,F", header(",")), of(b',', point, true)),
            (format!("{}\n1\t2\t3\t1,234.5\t360\tx\t51\t66\t2,000\tF", header("\t")), of(b'\t', point, true)),
            (format!("{}\n1\t2\t3\t2,000\t360\tx\t51\t66\t9\tF", header("\t")), of(b'\t', None, true)),
            (format!("{}\n1,2,3,\"234,9\",360.5,x,51,66,9,F", header(",")), of(b',', point, true)),
            ("1;2;3;234,9;360;2023-01-01;51;66;9;F".into(), of(b';', comma, false)),
            ("1;2;3;234,9;360;05/03/2023;51;66;9;F".into(), of(b';', comma, false)),
            ("#$%&\n1,2,3,234.9,360,2023-01-01,51,66,9,F".into(), of(b',', point, false)),
            ("what?".into(), Ok(None)),
            (String::new(), Ok(None)),
        ];
        for (text, expected) in cases {
            assert_eq!(detect(text.as_bytes(), false), expected, "{text}");
        }
    }

    #[test]
    fn a_header_with_another_delimiter_than_its_rows_or_its_first_line_is_rejected() {
        let row = "1,2,3,234.9,360,2023-01-01,51,66,9,F";
        let why = detect(format!("{}\n{row}\n{row}", header(";")).as_bytes(), true).unwrap_err();
        assert!(why.contains("its header has ; as the delimiter, and its rows have ,"), "{why}");
        let why = detect(format!("{}\n1;2;3;234,9;360;x;51;66;9,5;F", header(",")).as_bytes(), true).unwrap_err();
        assert!(why.contains("its header has , as the delimiter, and its rows have ;"), "{why}");
        let why = detect(format!("sep=,\n{}\n1;2", header(";")).as_bytes(), true).unwrap_err();
        assert!(why.contains("states that , is the delimiter") && why.ends_with("remove the first line"), "{why}");
        for line in ["sep=;", "Sep=; ", "SEP=;", "\"sep=;\""] {
            assert_eq!(separator(line.as_bytes()), Some(b';'), "{line}");
        }
        assert_eq!((separator(b"sep=\t"), separator(b"sep="), separator(b"separate")), (Some(b'\t'), None, None));
        let mixed = format!("{}\n{{\"a\":{}}}", header(";"), "1,".repeat(12));
        assert!(detect(mixed.as_bytes(), true).is_ok());
    }

    #[test]
    fn a_table_that_is_not_one_of_readings_is_rejected() {
        let row = "1;2;3;234,9;360;2023-01-01;51;66;9;F";
        let titled = format!("Consumo;;;\nJaneiro;;;\n{}\n{row}", header(";"));
        let why = detect(titled.as_bytes(), true).unwrap_err();
        assert!(why.contains("preceded by 2 other lines"), "{why}");
        for delimiter in ["  ", "^", " ~ ", ":"] {
            let why = detect(format!("{}\n{row}", header(delimiter)).as_bytes(), false).unwrap_err();
            assert!(why.starts_with("the delimiter of its columns is not known"), "{why}");
        }
        assert_eq!(detect(format!("2023-01-01 {{\"{}\":1}}", header("\":1,\"")).as_bytes(), false), Ok(None));
        let others = format!("pen;breed;lot;a;b;date;c;d;e;farm\n{row}");
        for (text, named) in [(&others[..], false), ("what?\nnothing", true)] {
            let why = detect(text.as_bytes(), named).unwrap_err();
            assert!(why.contains("neither a header nor a reading") && why.contains("id_curral"), "{why}");
        }
    }
}
