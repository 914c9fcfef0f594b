//! Conversion of a line to a message, as [`crate::history`] reads it: the line itself, or a CSV row as a JSON object.

use std::borrow::Cow;

use super::encode::{COLUMNS, LineFormat};

/// Returns the message of a line that includes its line feed.
pub(super) fn of_line(line: &[u8], format: LineFormat) -> Cow<'_, [u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match format {
        LineFormat::Ndjson => Cow::Borrowed(line),
        // A JSON line among rows is a message as it is.
        LineFormat::Csv if line.starts_with(b"{") => Cow::Borrowed(line),
        LineFormat::Csv => Cow::Owned(of_row(line)),
    }
}

/// Returns the message of a generated CSV row. Nothing in it needs escaping, and only cells with commas are quoted.
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
