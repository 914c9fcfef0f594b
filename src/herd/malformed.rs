//! Lines that are no valid reading. Owns how each kind of them, a [`Malformed`], is broken, in NDJSON and in CSV.
//!
//! A broken line still has what tells it from any other of its history, so that no two have the same bytes.

use chrono::Datelike;
use pipeline::record::{Column, ColumnKind};

use super::Reading;
use super::encode::{COLUMNS, FIELDS, LineFormat};
use super::fault::Malformed;
use super::random::KeyedRng;

/// Places of fields in [`COLUMNS`].
const PESO_MEDIO: usize = place(Column::PesoMedio);
const DATA: usize = place(Column::Data);
const QUANTIDADE_ANIMAIS: usize = place(Column::QuantidadeAnimais);
const DIA_CONFINAMENTO: usize = place(Column::DiaConfinamento);
const CONSUMO_REAL: usize = place(Column::ConsumoReal);
const COD_CLIENTE: usize = place(Column::CodCliente);

const fn place(column: Column) -> usize {
    let mut at = 0;
    while FIELDS[at].index() != column.index() {
        at += 1;
    }
    at
}

impl Reading<'_> {
    /// Appends the reading as a line that is broken in one way, line feed included.
    pub(super) fn write_malformed(&self, kind: Malformed, rng: KeyedRng, format: LineFormat, out: &mut Vec<u8>) {
        let field = rng.with(b'n').between(0, COLUMNS.len() as u32 - 1) as usize;
        let mut cells = self.cells();
        match kind {
            Malformed::Truncated => return self.write_truncated(rng, format, out),
            Malformed::Garbage => return write_garbage(rng, out),
            Malformed::MissingField => _ = cells.remove(field),
            Malformed::NullField => cells[field] = Cell { plain: String::new(), json: "null".into(), ..cells[field] },
            Malformed::Text => cells[CONSUMO_REAL].quoted("n/d".into()),
            Malformed::Negative => {
                let weight = format!("-{}", cells[PESO_MEDIO].plain);
                cells[PESO_MEDIO].bare(weight);
            }
            Malformed::Nan => cells[CONSUMO_REAL].bare("NaN".into()),
            Malformed::BadDate => cells[DATA].quoted(self.data.format("%d/%m/%Y 00:00:00").to_string()),
            Malformed::ImpossibleDate => cells[DATA].quoted(format!("{:04}-02-30 00:00:00 UTC", self.data.year())),
            Malformed::DecimalComma => {
                let grams = self.peso_medio_g;
                cells[PESO_MEDIO].quoted(format!("{},{:03}", grams / 1_000, grams % 1_000));
            }
            Malformed::Fraction => cells[QUANTIDADE_ANIMAIS].quoted(format!("{}.5", self.quantidade_animais)),
            Malformed::Huge => {
                let days = 10_000_000_000 + u64::from(self.dia_confinamento);
                cells[DIA_CONFINAMENTO].quoted(days.to_string());
            }
            Malformed::EmptyFarm => cells[COD_CLIENTE].quoted(String::new()),
        }
        write_cells(&cells, format, out);
    }

    /// The ten fields as they should be.
    fn cells(&self) -> Vec<Cell> {
        let mut row = Vec::new();
        self.write(LineFormat::Csv, &mut row);
        let row = String::from_utf8_lossy(&row);
        let plain = row.trim_end().split(',').map(str::to_owned);
        let cell = |(at, plain): (usize, String)| {
            let json = if FIELDS[at].kind() == ColumnKind::Weight { plain.clone() } else { format!("\"{plain}\"") };
            Cell { name: COLUMNS[at], plain, json }
        };
        plain.enumerate().map(cell).collect()
    }

    /// Cut somewhere between the end of `data` and the last comma: neither JSON nor ten fields are left.
    fn write_truncated(&self, rng: KeyedRng, format: LineFormat, out: &mut Vec<u8>) {
        let begin = out.len();
        self.write(format, out);
        let line = &out[begin..];
        let last_comma = line.iter().rposition(|&byte| byte == b',').unwrap_or_default();
        let after_date = line.windows(3).position(|three| three == b"UTC").map_or(last_comma, |at| at + 3);
        let kept = rng.with(b'c').between(after_date.min(last_comma) as u32, last_comma as u32);
        out.truncate(begin + kept as usize);
        out.push(b'\n');
    }
}

/// Sixteen signs that begin no JSON, one for every four bits of chance: no two of a history are alike.
fn write_garbage(rng: KeyedRng, out: &mut Vec<u8>) {
    const SIGNS: &[u8; 16] = b"#$%&*+/<=>?@^_|~";
    let bits = rng.with(b'g').bits();
    out.extend((0..16).map(|nibble| SIGNS[(bits >> (4 * nibble)) as usize & 15]));
    out.push(b'\n');
}

/// One field of a line.
struct Cell {
    name: &'static str,
    /// Its text in CSV.
    plain: String,
    /// Its text in JSON, quotes included.
    json: String,
}

impl Cell {
    fn quoted(&mut self, plain: String) {
        self.json = format!("\"{plain}\"");
        self.plain = plain;
    }

    fn bare(&mut self, plain: String) {
        self.json.clone_from(&plain);
        self.plain = plain;
    }
}

fn write_cells(cells: &[Cell], format: LineFormat, out: &mut Vec<u8>) {
    let fields: Vec<String> = match format {
        LineFormat::Ndjson => cells.iter().map(|cell| format!("\"{}\":{}", cell.name, cell.json)).collect(),
        LineFormat::Csv => cells.iter().map(Cell::csv).collect(),
    };
    let line = fields.join(",");
    match format {
        LineFormat::Ndjson => out.extend_from_slice(format!("{{{line}}}\n").as_bytes()),
        LineFormat::Csv => out.extend_from_slice(format!("{line}\n").as_bytes()),
    }
}

impl Cell {
    fn csv(&self) -> String {
        if self.plain.contains(',') { format!("\"{}\"", self.plain) } else { self.plain.clone() }
    }
}
