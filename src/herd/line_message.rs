//! What a line is as a message: the line itself, or a CSV row with its names put to it, as [`crate::history`] reads it.

use std::borrow::Cow;

use super::encode::{COLUMNS, LineFormat};

/// The message that a line with its line feed is read as.
pub(super) fn of_line(line: &[u8], format: LineFormat) -> Cow<'_, [u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match format {
        LineFormat::Ndjson => Cow::Borrowed(line),
        LineFormat::Csv => Cow::Owned(of_row(line)),
    }
}

/// The message that a row of a herd's is read as: nothing in it needs escaping, and quotes stand around commas only.
pub(super) fn of_row(row: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.len() + 200);
    let mut quoted = false;
    let cells = row.split(|&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    for (at, cell) in cells.enumerate() {
        out.push(if at == 0 { b'{' } else { b',' });
        let name = COLUMNS.get(at).map_or_else(|| format!("column_{}", at + 1).into(), |&name| Cow::Borrowed(name));
        out.extend_from_slice(format!("\"{name}\":\"").as_bytes());
        out.extend(cell.iter().filter(|&&byte| byte != b'"'));
        out.push(b'"');
    }
    out.push(b'}');
    out
}
