//! Rows of CSV as messages: JSON objects of the header's names.

use std::borrow::Cow;

use crate::herd::COLUMNS;

/// A way of writing rows.
#[derive(Debug)]
pub(super) struct Dialect {
    separator: u8,
}

/// All dialects, the usual one first; the header shows which one a file has. A new dialect is one more entry.
const DIALECTS: [Dialect; 1] = [Dialect { separator: b',' }];

/// What the cells of a row are called.
#[derive(Debug)]
pub(super) enum Columns {
    /// There are no rows so far.
    None,
    /// There are rows, and the first line should say it.
    Expected,
    /// The header said it, or the first row had the usual ones.
    Named(&'static Dialect, Vec<Vec<u8>>),
}

impl Columns {
    /// Takes a line as a header, where it is one.
    ///
    /// The first line of a CSV file is one unless it looks like data: that file is then the later part of another, with the
    /// usual columns. Anywhere else a header has all ten names.
    pub(super) fn take_header(&mut self, line: &[u8]) -> bool {
        let header = match self {
            Self::Expected => {
                let dialect = Dialect::of(line);
                if dialect.is_data(line) {
                    *self = Self::Named(dialect, COLUMNS.map(|name| name.as_bytes().to_vec()).into());
                    return false;
                }
                Some(dialect)
            }
            Self::None | Self::Named(..) => with_all_names(line),
        };
        let Some(dialect) = header else { return false };
        let names = dialect.cells(line).into_iter().map(|cell| cell.trim_ascii().to_vec()).collect();
        *self = Self::Named(dialect, names);
        true
    }

    /// How a row becomes a message, where lines are rows.
    pub(super) fn rows(&self) -> Option<impl Fn(&[u8]) -> Vec<u8>> {
        match self {
            Self::Named(dialect, names) => Some(|row: &[u8]| dialect.message(names, row)),
            Self::None | Self::Expected => None,
        }
    }
}

fn is_name(cell: &[u8]) -> bool {
    COLUMNS.iter().any(|name| name.as_bytes() == cell.trim_ascii())
}

/// The dialect in which a line has all names.
fn with_all_names(line: &[u8]) -> Option<&'static Dialect> {
    // Rows begin otherwise, and there are many of them.
    let begin = line.trim_ascii_start().first();
    if !begin.is_some_and(|&byte| byte == b'"' || byte.is_ascii_alphabetic()) {
        return None;
    }
    let has_all = |dialect: &&Dialect| {
        let cells = dialect.cells(line);
        COLUMNS.iter().all(|name| cells.iter().any(|cell| cell.trim_ascii() == name.as_bytes()))
    };
    DIALECTS.iter().find(has_all)
}

impl Dialect {
    /// That of a first line: the one in which it has a name, or else the one that divides it most.
    fn of(line: &[u8]) -> &'static Self {
        let named = DIALECTS.iter().find(|dialect| dialect.cells(line).iter().any(|cell| is_name(cell)));
        let most = || DIALECTS.iter().rev().max_by_key(|dialect| dialect.cells(line).len());
        named.or_else(most).unwrap_or(&DIALECTS[0])
    }

    /// Whether no header would look so: none of the names, and a cell that begins with a digit, or no letter at all.
    fn is_data(&self, line: &[u8]) -> bool {
        let cells = self.cells(line);
        let is_number = |cell: &Cow<'_, [u8]>| cell.first().is_some_and(u8::is_ascii_digit);
        !cells.iter().any(|cell| is_name(cell))
            && (cells.iter().any(is_number) || !line.iter().any(u8::is_ascii_alphabetic))
    }

    /// The cells of a row; separators and quotes within quotes belong to their cell.
    fn cells<'a>(&self, row: &'a [u8]) -> Vec<Cow<'a, [u8]>> {
        if !row.contains(&b'"') {
            return row.split(|&byte| byte == self.separator).map(Cow::Borrowed).collect();
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.separator)
            .buffer_capacity(row.len())
            .from_reader(row);
        let mut record = csv::ByteRecord::new();
        // Bytes in memory can be read, and any of them are a row.
        match reader.read_byte_record(&mut record) {
            Ok(true) => record.iter().map(|cell| Cow::Owned(cell.to_vec())).collect(),
            Ok(false) | Err(_) => vec![Cow::Borrowed(row)],
        }
    }

    /// A row as a JSON object; a short row lacks its last fields, a long one has `column_N` more.
    fn message(&self, names: &[Vec<u8>], row: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(320);
        for (at, value) in self.cells(row).iter().enumerate() {
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
