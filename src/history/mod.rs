//! Files of readings as farms deliver them: NDJSON or CSV, a message each, packed as gzip or zstd or not at all.
//!
//! Owns the reading of such files in bounded memory, however they were put together: lines that end in LF, CRLF or CR, with a mark
//! before UTF-8, without the last line feed, with headers in the middle where files were joined, or none where they were cut apart,
//! with lines of JSON among rows of CSV, JSON in arrays, over several lines or without line feeds, any usual delimiter, decimal commas.
//! `dialect` tells once what a file is. What a message means is [`pipeline::record`]'s.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::herd::Format;
use crate::pack::{Pack, unpacked};

mod csv;
mod dialect;
mod lines;
mod objects;

use csv::Rows;
pub use dialect::DecimalMark;
use dialect::{Foreign, Layout};
use lines::{Line, Lines};
use objects::Objects;

/// How much of a file is looked at to tell what it is.
const HEAD_BYTES: u64 = 64 * 1024;

/// The form of a file by its name's ending, in front of `.gz` or `.zst`: `.csv` is CSV, anything else NDJSON.
pub fn format_of(path: &Path) -> Format {
    let (_, path) = Pack::of(path);
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
/// The file cannot be opened; a later item is an error, and the last one, where it cannot be read on.
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
    let mut input = unpacked(input).map_err(failed)?;
    let mut head = Vec::new();
    // What breaks off here breaks off again where it is read, and is said then.
    let broken = input.by_ref().take(HEAD_BYTES).read_to_end(&mut head).err();
    if let Some(foreign) = Foreign::of(&head) {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, foreign.to_string())));
    }
    let layout = dialect::layout(&head, format.unwrap_or_else(|| format_of(path)));
    let input: Box<dyn BufRead + Send> = match broken {
        None => Box::new(BufReader::new(Cursor::new(head).chain(input))),
        Some(e) => Box::new(BufReader::new(Cursor::new(head).chain(Broken(Some(e))))),
    };
    let mut messages = Messages {
        file: path.display().to_string().into(),
        body: match layout {
            Layout::Lines => Body::Lines(Lines::new(input), Rows::none()),
            Layout::Csv(csv) => Body::Lines(Lines::new(input), Rows::of(csv)),
            Layout::Objects => Body::Objects(Objects::new(input)),
        },
        ready: VecDeque::new(),
    };
    let file = path.to_owned();
    Ok(Box::new(std::iter::from_fn(move || {
        Some(messages.next()?.map_err(|source| Error { file: file.clone(), source }))
    })))
}

/// An input that has broken off.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// A file that is being read.
struct Messages<R> {
    file: Arc<str>,
    body: Body<R>,
    /// Messages of a line that holds several.
    ready: VecDeque<Message>,
}

/// What stands in a file.
enum Body<R> {
    Lines(Lines<R>, Rows),
    Objects(Objects<R>),
}

impl<R: BufRead> Messages<R> {
    fn next(&mut self) -> Option<io::Result<Message>> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(Ok(ready));
        }
        match &mut self.body {
            Body::Objects(objects) => objects.next().map(|found| Ok(message(&self.file, found?))),
            Body::Lines(lines, rows) => loop {
                let line = match lines.next()? {
                    Ok(line) => line,
                    Err(e) => return Some(Err(e)),
                };
                // A line of JSON is one in any file, and in one of NDJSON all lines are but headers.
                if line.is_json() {
                    let parts = objects::split(&line.text);
                    let part = |text: &[u8]| message(&self.file, Line { number: line.number, text: text.to_vec() });
                    self.ready.extend(parts.into_iter().map(part));
                    return Some(Ok(self.ready.pop_front().unwrap_or_else(|| message(&self.file, line))));
                } else if rows.take_header(&line.text) {
                    continue;
                } else if !rows.are_there() {
                    return Some(Ok(message(&self.file, line)));
                }
                let number = line.number;
                let row = lines.row_of(line);
                return Some(row.map(|row| message(&self.file, Line { number, text: rows.message(&row) })));
            },
        }
    }
}

fn message(file: &Arc<str>, line: Line) -> Message {
    Message { file: Arc::clone(file), line: line.number, body: line.text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::Reading;

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

    /// A reading with this pen, as JSON and as a row.
    fn json(pen: u32) -> String {
        format!(
            r#"{{"id_curral":"{pen}","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
        )
    }

    fn row(pen: u32) -> String {
        format!("{pen},2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,FazendaUm")
    }

    const HEADER: &str = "id_curral,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,cod_cliente";

    /// The pens of the readings, `?` for what is none, each with its line.
    fn pens(name: &str, content: &str) -> String {
        let pen = |m: &Message| Reading::parse(&m.body).map_or("?".into(), |reading| reading.id_curral);
        read(name, content.as_bytes()).iter().map(|m| format!("{}:{} ", m.line, pen(m))).collect()
    }

    #[test]
    fn a_mark_crlf_and_a_missing_line_feed_change_nothing() {
        for (name, lines) in [("x.json", [json(1), json(2)]), ("x.csv", [row(1), row(2)])] {
            let header = if name == "x.csv" { format!("{HEADER}\r\n") } else { "\r\n".into() };
            let text = format!("\u{feff}{header}{}\r\n\r\n{}", lines[0], lines[1]);
            assert_eq!(pens(name, &text), "2:1 4:2 ", "{name}");
        }
    }

    #[test]
    fn json_and_rows_may_be_mixed_in_one_file_and_joined_files_have_several_headers() {
        let text = [json(1), HEADER.into(), row(2), json(3), "what?".into(), HEADER.into(), row(4)].join("\n");
        assert_eq!(pens("x.json", &text), "1:1 3:2 4:3 5:? 7:4 ");
        let turned = "cod_cliente,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,id_curral";
        let other = "FazendaUm,2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,5";
        let text = [HEADER, &row(1), &json(2), turned, other].join("\n");
        assert_eq!(pens("x.csv", &text), "2:1 3:2 5:5 ");
    }

    #[test]
    fn the_later_part_of_a_csv_file_has_no_header_and_loses_no_row() {
        assert_eq!(pens("x.csv", &[row(1), row(2)].join("\n")), "1:1 2:2 ");
        assert_eq!(pens("x.csv", &["#$%&", &row(2)].join("\n")), "1:? 2:2 ");
        assert_eq!(pens("x.csv", &["pen,breed,lot", &row(2)].join("\n")), "2:? ", "a header of others");
    }

    #[test]
    fn a_quoted_cell_may_hold_line_feeds_and_a_quote_that_is_never_closed_takes_its_line_only() {
        let long = |remark: &str| format!("{HEADER},obs\n{},\"{remark}\"\n{}", row(1), row(2));
        assert_eq!(pens("x.csv", &long("two\nlines, \"\"quoted\"\"")), "2:1 4:2 ");
        let open = format!("{HEADER}\n\"{}\n{}\n{}", row(1), row(2), row(3));
        assert_eq!(pens("x.csv", &open), "2:? 3:2 4:3 ");
    }

    #[test]
    fn packed_files_are_read_whatever_their_name_and_what_is_cut_short_is_said_after_its_last_line() {
        let text = (0..3_000).map(json).collect::<Vec<_>>().join("\n");
        for pack in [Pack::Gzip, Pack::Zstd] {
            let mut packed = Vec::new();
            pack.pack(text.as_bytes(), &mut packed).unwrap();
            assert_eq!(read("x", &packed).len(), 3_000);
            packed.truncate(packed.len() / 2);
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("x.json.gz");
            std::fs::write(&path, &packed).unwrap();
            let (whole, failed): (Vec<_>, Vec<_>) = messages(&path, None).unwrap().partition(Result::is_ok);
            assert_eq!(failed.len(), 1);
            let why = failed[0].as_ref().unwrap_err().to_string();
            assert!(why.contains(&format!("x.json.gz: it cannot be read on after line {}", whole.len())), "{why}");
            assert!(whole.iter().all(|message| Reading::parse(&message.as_ref().unwrap().body).is_ok()));
            assert!(pack == Pack::Zstd || whole.len() > 1_000, "{}", whole.len());
        }
    }

    #[test]
    fn a_line_over_the_limit_of_a_message_is_one_message_that_is_refused() {
        let long = json(1).replacen('{', &format!("{{\"obs\":\"{}\",", "x".repeat(300_000)), 1);
        let found = read("x.json", [long, json(2)].join("\n").as_bytes());
        let why = Reading::parse(&found[0].body).unwrap_err().to_string();
        assert!(found.len() == 2 && why.contains("over the limit of 262144"), "{why}");
    }

    #[test]
    fn a_file_in_utf_16_is_named_as_that_and_not_as_a_thousand_broken_messages() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.csv");
        let text = [HEADER, &row(1), &row(2)].join("\r\n");
        for begin in [0xfeff_u16.to_le_bytes(), 0xfeff_u16.to_be_bytes()] {
            let unit = if begin[0] == 0xff { u16::to_le_bytes } else { u16::to_be_bytes };
            let bytes: Vec<u8> = begin.into_iter().chain(text.encode_utf16().flat_map(unit)).collect();
            std::fs::write(&path, bytes).unwrap();
            let found: Vec<_> = messages(&path, None).unwrap().collect();
            assert_eq!(found.len(), 1);
            let why = found[0].as_ref().unwrap_err().to_string();
            assert!(why.contains("x.csv: it is UTF-16") && why.contains("iconv"), "{why}");
        }
    }

    #[test]
    fn the_form_is_told_by_the_ending_in_front_of_the_packing() {
        for (name, format) in [("a.csv", Format::Csv), ("a.CSV.gz", Format::Csv), ("a.json.zst", Format::Ndjson)] {
            assert_eq!(format_of(Path::new(name)), format, "{name}");
        }
    }
}
