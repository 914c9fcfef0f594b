//! Laws of input files: a table is the same readings in any dialect, no row hides another, and no bytes make it panic.

use proptest::prelude::*;

use super::*;
use crate::herd::{COLUMNS, FIELDS};
use crate::parquet::{Buffer, Field, Layout, Times, Writer};
use ::parquet::file::properties::WriterProperties;
use pipeline::record::{ColumnKind, DateOrder, Reading};

/// Cells of a row, as a farm means them: decimal points, and the date with the year first.
fn row() -> impl Strategy<Value = Vec<String>> {
    let id = || "[1-9][0-9]{0,14}";
    let weight = || (0_u32..900_000).prop_map(|grams| format!("{}.{:03}", grams / 1_000, grams % 1_000));
    let day =
        (2000_u32..2030, 1_u32..13, 1_u32..29).prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}"));
    // More than one word, because "Na" or "None" alone would be a placeholder. Letters of names in Brazil, with `ç` only where
    // they have it, because text with others may be that of DOS or Mac OS.
    let farm = "(Fazenda|Sítio|Água|Conceição|FORÇA) [A-ZÁÂÉÍÓÚ][a-zàáâãéêíóôõúü]{1,8}( [A-ZÁÂÉÍÓÚ][a-zàáâãéêíóôõúü]{1,8}|, \
                [A-Z]{2}| \"[A-Z]\"|; x){0,2}";
    (id(), id(), id(), weight(), weight(), day, 0_u32..100, 0_u32..300, weight(), farm).prop_map(
        |(pen, breed, lot, entry, mean, day, head, days, intake, farm)| {
            vec![pen, breed, lot, entry, mean, day, head.to_string(), days.to_string(), intake, farm]
        },
    )
}

fn json(row: &[String]) -> String {
    let members: serde_json::Map<_, _> =
        COLUMNS.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.as_str().into())).collect();
    serde_json::Value::from(members).to_string()
}

/// Format of a table.
#[derive(Debug, Clone)]
struct Dialect {
    delimiter: u8,
    comma: bool,
    crlf: bool,
    order: Option<DateOrder>,
    encoding: Encoding,
    mark: bool,
    upper: bool,
    turn: usize,
    compression: CompressionFormat,
}

fn dialect() -> impl Strategy<Value = Dialect> {
    let encodings = [Encoding::Utf8, Encoding::Windows1252, Encoding::Utf16Le, Encoding::Utf16Be];
    let compressions = [CompressionFormat::None, CompressionFormat::Gzip, CompressionFormat::Zstd];
    (
        prop::sample::select(b",;\t|".to_vec()),
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        prop::sample::select(vec![None, Some(DateOrder::DayFirst), Some(DateOrder::MonthFirst)]),
        prop::sample::select(encodings.to_vec()),
        0..COLUMNS.len(),
        prop::sample::select(compressions.to_vec()),
    )
        .prop_map(|(delimiter, (comma, crlf, mark, upper), order, encoding, turn, compression)| Dialect {
            delimiter,
            comma: comma && delimiter != b',',
            crlf,
            order,
            encoding,
            mark,
            upper,
            turn,
            compression,
        })
}

impl Dialect {
    fn write(&self, rows: &[Vec<String>]) -> Vec<u8> {
        let end = if self.crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
        let mut table = ::csv::WriterBuilder::new().delimiter(self.delimiter).terminator(end).from_writer(Vec::new());
        let mut header: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        if self.upper {
            header.iter_mut().for_each(|name| *name = name.to_uppercase());
        }
        header.rotate_left(self.turn);
        table.write_record(&header).unwrap();
        for row in rows {
            let mut row: Vec<String> = row.iter().enumerate().map(|(at, cell)| self.cell(at, cell)).collect();
            row.rotate_left(self.turn);
            table.write_record(&row).unwrap();
        }
        let text = String::from_utf8(table.into_inner().unwrap()).unwrap();
        let mut compressed = Vec::new();
        self.compression.compress(&self.encoded(&text), &mut compressed).unwrap();
        compressed
    }

    fn cell(&self, at: usize, cell: &str) -> String {
        match (at, self.order) {
            (3 | 4 | 8, _) if self.comma => cell.replace('.', ","),
            (5, Some(order)) => {
                let (year, month, day) = (&cell[..4], &cell[5..7], &cell[8..]);
                if order == DateOrder::DayFirst {
                    format!("{day}/{month}/{year}")
                } else {
                    format!("{month}/{day}/{year}")
                }
            }
            _ => cell.to_owned(),
        }
    }

    fn encoded(&self, text: &str) -> Vec<u8> {
        let marked = |text: &str| if self.mark { format!("\u{feff}{text}") } else { text.to_owned() };
        match self.encoding {
            Encoding::Utf8 => marked(text).into_bytes(),
            Encoding::Windows1252 => encoding_rs::WINDOWS_1252.encode(text).0.into_owned(),
            Encoding::Utf16Le => marked(text).encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be => marked(text).encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }

    /// Only the user knows what `450.123` is in a file with semicolons.
    fn settings(&self) -> InputSettings {
        let mark = if self.comma { DecimalMark::Comma } else { DecimalMark::Point };
        InputSettings {
            format: None,
            encoding: Some(self.encoding),
            date_order: self.order,
            decimal_mark: (self.delimiter != b',').then_some(mark),
            ..InputSettings::default()
        }
    }
}

fn open(content: &[u8], name: &str, settings: InputSettings) -> Result<Vec<InputMessage>, Error> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(name);
    std::fs::write(&path, content).unwrap();
    InputFile::open(&path, settings)?.collect()
}

/// A Parquet file of 50 readings.
fn parquet_file() -> Vec<u8> {
    let columns = FIELDS.map(|column| Field::of(column, Times::Millis));
    let layout = || Layout::new("readings", &columns, WriterProperties::default()).unwrap();
    let mut buffers: Vec<Buffer> = columns.iter().map(Buffer::new).collect();
    for pen in 0..50 {
        for (buffer, column) in buffers.iter_mut().zip(FIELDS) {
            match column.kind() {
                ColumnKind::Text => buffer.push_text(&pen.to_string()),
                ColumnKind::Weight => buffer.push_double(450.5),
                ColumnKind::Count => buffer.push_int(51),
                ColumnKind::Instant => buffer.push_long(1_672_531_200_000),
            }
        }
    }
    let group = layout().encode(&mut buffers).unwrap();
    let mut file = Writer::new(Vec::new(), layout()).unwrap();
    file.append(group).unwrap();
    file.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_time: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_the_same_readings_in_any_dialect(rows in prop::collection::vec(row(), 1..12), dialect in dialect()) {
        let found = open(&dialect.write(&rows), "x.csv", dialect.settings());
        let found: Vec<Reading> = found.unwrap().iter().map(|message| Reading::parse(&message.body).unwrap()).collect();
        let expected: Vec<Reading> = rows.iter().map(|row| Reading::parse(json(row).as_bytes()).unwrap()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn json_is_the_same_messages_in_any_layout(rows in prop::collection::vec(row(), 1..12), layout in 0..6_usize) {
        let lines: Vec<String> = rows.iter().map(|row| json(row)).collect();
        let pretty = |line: &String| {
            serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(line).unwrap()).unwrap()
        };
        let text = match layout {
            0 => lines.join("\n"),
            1 => lines.join("\r"),
            2 => lines.concat(),
            3 => format!("[{}]", lines.join(",")),
            4 => format!("[\n{}\n]", lines.join(",\n")),
            _ => lines.iter().map(pretty).collect::<Vec<_>>().join("\n"),
        };
        let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        let found: Vec<_> = open(text.as_bytes(), "x.json", InputSettings::default())
            .unwrap().iter().map(|message| parse(&message.body)).collect();
        prop_assert_eq!(found, lines.iter().map(|line| parse(line.as_bytes())).collect::<Vec<_>>());
    }

    /// A remark with any quotes costs at most its own row; every other row is read.
    #[test]
    fn no_row_hides_another(remarks in prop::collection::vec("[a-z\" ]{0,6}", 2..12)) {
        let rows = remarks.iter().enumerate().map(|(at, remark)| {
            format!("{},2,3,450.5,451,2023-01-01,51,66,9.5,F,{remark}", at + 1)
        });
        let text = format!("{},obs\n{}\n", COLUMNS.join(","), rows.collect::<Vec<_>>().join("\n"));
        let found = open(text.as_bytes(), "x.csv", InputSettings::default()).unwrap();
        prop_assert_eq!(found.len(), remarks.len());
        for (message, (at, remark)) in found.iter().zip(remarks.iter().enumerate()) {
            let reading = Reading::parse(&message.body);
            prop_assert!(reading.is_ok() || remark.trim_start().starts_with('"'), "{:?} {}", reading, remark);
            prop_assert!(reading.is_ok_and(|reading| reading.id_curral == (at + 1).to_string()) || remark.contains('"'));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(prop::sample::select(b"{}[]\",;\t\n\r 1a.\xef\xbb\xbf\xff\xfe\xe3\0<=_'".to_vec()), 0..300),
        header in any::<bool>(),
        encoding in prop::sample::select(vec![None, Some(Encoding::Utf8), Some(Encoding::Windows1252), Some(Encoding::Utf16Le)]),
    ) {
        let header = if header { format!("{}\n", COLUMNS.join(";")) } else { String::new() };
        let content = [header.as_bytes(), &bytes].concat();
        let settings = InputSettings { encoding, date_order: Some(DateOrder::DayFirst), ..InputSettings::default() };
        for name in ["x.csv", "x.json"] {
            let _ = open(&content, name, settings);
        }
    }

    #[test]
    fn a_damaged_parquet_file_is_rejected_or_read_but_never_panics(at in 0.0..1.0, byte in any::<u8>(), cut in any::<bool>()) {
        let mut content = parquet_file();
        let at = 4 + (at * (content.len() - 4) as f64) as usize;
        let last = content.len() - 1;
        if cut { content.truncate(at) } else { content[at.min(last)] = byte }
        let _ = open(&content, "x.parquet", InputSettings::default());
    }
}
