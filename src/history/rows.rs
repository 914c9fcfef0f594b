//! Rows of CSV as messages: JSON objects of the header's names.

use std::borrow::Cow;

use crate::herd::COLUMNS;

/// What the cells of a row are called.
#[derive(Debug)]
pub(super) enum Columns {
    /// There are no rows so far.
    None,
    /// There are rows, and the first line should say it.
    Expected,
    /// The header said it, or the first row had the usual ones.
    Named(Vec<Vec<u8>>),
}

impl Columns {
    /// Takes a line as a header, where it is one.
    ///
    /// The first line of a CSV file is one unless it looks like data: that file is then the later part of another, with the
    /// usual columns. Anywhere else a header has all ten names.
    pub(super) fn take_header(&mut self, line: &[u8]) -> bool {
        let is_header = match self {
            Self::Expected => !is_data(line),
            Self::None | Self::Named(_) => has_all_names(line),
        };
        if is_header {
            *self = Self::Named(cells(line).into_iter().map(|cell| cell.trim_ascii().to_vec()).collect());
        } else if matches!(self, Self::Expected) {
            *self = Self::Named(COLUMNS.map(|name| name.as_bytes().to_vec()).into());
        }
        is_header
    }

    /// The names, where lines are rows.
    pub(super) fn names(&self) -> Option<&[Vec<u8>]> {
        match self {
            Self::Named(names) => Some(names),
            Self::None | Self::Expected => None,
        }
    }
}

/// Whether no header would look so: none of the names, and a cell that begins with a digit, or no letter at all.
fn is_data(line: &[u8]) -> bool {
    let cells = cells(line);
    let is_name = |cell: &Cow<'_, [u8]>| COLUMNS.iter().any(|name| name.as_bytes() == cell.trim_ascii());
    let is_number = |cell: &Cow<'_, [u8]>| cell.first().is_some_and(u8::is_ascii_digit);
    !cells.iter().any(is_name) && (cells.iter().any(is_number) || !line.iter().any(u8::is_ascii_alphabetic))
}

fn has_all_names(line: &[u8]) -> bool {
    // Rows begin otherwise, and there are many of them.
    let begin = line.trim_ascii_start().first();
    if !begin.is_some_and(|&byte| byte == b'"' || byte.is_ascii_alphabetic()) {
        return false;
    }
    let cells = cells(line);
    COLUMNS.iter().all(|name| cells.iter().any(|cell| cell.trim_ascii() == name.as_bytes()))
}

/// The cells of a row; commas and quotes within quotes belong to their cell.
fn cells(row: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if !row.contains(&b'"') {
        return row.split(|&byte| byte == b',').map(Cow::Borrowed).collect();
    }
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(row.len()).from_reader(row);
    let mut record = csv::ByteRecord::new();
    // Bytes in memory can be read, and any of them are a row.
    match reader.read_byte_record(&mut record) {
        Ok(true) => record.iter().map(|cell| Cow::Owned(cell.to_vec())).collect(),
        Ok(false) | Err(_) => vec![Cow::Borrowed(row)],
    }
}

/// A row as a JSON object; a short row lacks its last fields, a long one has `column_N` more.
pub(super) fn message(names: &[Vec<u8>], row: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(320);
    for (at, value) in cells(row).iter().enumerate() {
        body.push(if at == 0 { b'{' } else { b',' });
        match names.get(at) {
            Some(name) => push_string(&mut body, name),
            None => push_string(&mut body, format!("column_{}", at + 1).as_bytes()),
        }
        body.push(b':');
        push_string(&mut body, value);
    }
    body.push(b'}');
    body
}

/// A JSON string of these bytes; what is no UTF-8 stays so, and is refused where the message is parsed.
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
