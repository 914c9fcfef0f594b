//! Files of readings as farms deliver them: NDJSON or CSV, a message each.
//!
//! Owns the reading of such files, line by line in bounded memory. What a message means is [`crate::record`]'s.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::herd::Format;

/// The longest line kept; the limit of a message is far below, so a longer line is refused as too large anyway.
const MAX_LINE_BYTES: u64 = 4 * 1024 * 1024;

/// The form of a file by its name's ending: `.csv` is CSV, anything else NDJSON.
pub fn format_of(path: &Path) -> Format {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) { Format::Csv } else { Format::Ndjson }
}

/// A message with the place it was read from.
#[derive(Debug, Clone)]
pub struct Message {
    /// The file, `-` for standard input.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u64,
    /// The message.
    pub body: Bytes,
}

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct Error {
    file: PathBuf,
    source: io::Error,
}

/// The messages of a file, `-` for standard input; blank lines are passed over.
///
/// # Errors
/// The file cannot be opened; later items are errors where it cannot be read on.
pub fn messages(
    path: &Path,
    format: Option<Format>,
) -> Result<Box<dyn Iterator<Item = Result<Message, Error>> + Send>, Error> {
    let failed = |source| Error { file: path.to_owned(), source };
    let input: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "is a directory: name its files")));
        }
        Box::new(file)
    };
    let name: Arc<str> = path.display().to_string().into();
    let owned = path.to_owned();
    let failed = move |source| Error { file: owned.clone(), source };
    Ok(match format.unwrap_or_else(|| format_of(path)) {
        Format::Ndjson => {
            Box::new(lines(BufReader::with_capacity(1 << 16, input), name).map(move |line| line.map_err(&failed)))
        }
        Format::Csv => Box::new(rows(input, name).map_err(&failed)?.map(move |row| row.map_err(&failed))),
    })
}

fn lines(mut input: impl BufRead + Send, file: Arc<str>) -> impl Iterator<Item = io::Result<Message>> + Send {
    let mut line = 0;
    std::iter::from_fn(move || {
        loop {
            let mut body = Vec::new();
            line += 1;
            match input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut body) {
                Ok(0) => return None,
                Ok(read) if read as u64 == MAX_LINE_BYTES && !body.ends_with(b"\n") => {
                    if let Err(e) = skip_line(&mut input) {
                        return Some(Err(e));
                    }
                }
                Ok(_) => {}
                Err(e) => return Some(Err(e)),
            }
            while body.last().is_some_and(u8::is_ascii_whitespace) {
                body.pop();
            }
            if line == 1 && body.starts_with(b"\xef\xbb\xbf") {
                body.drain(..3); // the mark some editors put before UTF-8
            }
            if !body.is_empty() {
                return Some(Ok(Message { file: Arc::clone(&file), line, body: body.into() }));
            }
        }
    })
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, end) = match buffer.iter().position(|&b| b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if end {
            return Ok(());
        }
    }
}

/// Rows as JSON objects of the header's names; a short row lacks its last fields, a long one has `column_N` more.
fn rows(input: impl Read + Send, file: Arc<str>) -> io::Result<impl Iterator<Item = io::Result<Message>> + Send> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let mut names: Vec<Vec<u8>> = reader.byte_headers().map_err(io::Error::other)?.iter().map(<[u8]>::to_vec).collect();
    if let Some(first) = names.first_mut()
        && first.starts_with(b"\xef\xbb\xbf")
    {
        first.drain(..3);
    }
    Ok(reader.into_byte_records().map(move |row| {
        let row = row.map_err(io::Error::other)?;
        let line = row.position().map_or(0, csv::Position::line);
        let mut body = Vec::with_capacity(320);
        for (at, value) in row.iter().enumerate() {
            body.push(if at == 0 { b'{' } else { b',' });
            match names.get(at) {
                Some(name) => push_string(&mut body, name),
                None => push_string(&mut body, format!("column_{}", at + 1).as_bytes()),
            }
            body.push(b':');
            push_string(&mut body, value);
        }
        body.push(b'}');
        Ok(Message { file: Arc::clone(&file), line, body: body.into() })
    }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reading;

    fn read(name: &str, content: &[u8]) -> Vec<Message> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(name);
        std::fs::write(&path, content).unwrap();
        messages(&path, None).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn lines_are_messages_and_blank_ones_are_not() {
        let found = read("x.json", b"\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"b\":2}");
        let found: Vec<(u64, &[u8])> = found.iter().map(|m| (m.line, &m.body[..])).collect();
        assert_eq!(found, [(1, &b"{\"a\":1}"[..]), (4, b"{\"b\":2}")]);
    }

    #[test]
    fn a_csv_row_is_the_same_reading_as_its_line() {
        let json = br#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"Fazenda \"Um\", SA"}"#;
        let csv = b"id_curral,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,cod_cliente\n\
            1,2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,\"Fazenda \"\"Um\"\", SA\"\n1,2\n";
        let rows = read("x.csv", csv);
        assert_eq!(Reading::parse(&rows[0].body), Reading::parse(json));
        assert_eq!(Reading::parse(&rows[1].body).unwrap_err().to_string(), "field id_lote is missing");
        assert_eq!(rows[1].line, 3);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_read() {
        let mut content = vec![b'x'; 5 * 1024 * 1024];
        content.extend_from_slice(b"\n{\"a\":1}\n");
        let found = read("x.json", &content);
        assert_eq!(found.len(), 2);
        assert_eq!(&found[1].body[..], b"{\"a\":1}");
    }
}
