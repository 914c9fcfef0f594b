//! Messages of a Parquet file: its rows as JSON objects.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use pipeline::hex::hex;
use pipeline::record::{Column, ColumnKind, DateOrder, timestamp};

use super::cause::Cause;
use super::csv::column;
use super::dates;
use super::{InputMessage, InputSettings};
use crate::herd::{COLUMNS, FIELDS};
use crate::parquet::{self as columns, Cell, CellType, TableColumn};

/// Largest integer up to which a double represents every integer: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The same for a float: 2^24.
const EXACT_SINGLE: f32 = 16_777_216.0;

/// A Parquet file that is being read.
pub(super) struct Table {
    file: Arc<str>,
    table: columns::Table,
    /// Field of each column: its name, and the column of a reading.
    fields: Vec<(String, Option<Column>)>,
    dates: Option<DateOrder>,
    row: Vec<Cell>,
    rows: u64,
}

impl Table {
    /// Opens a file.
    ///
    /// # Errors
    /// Returns an error if the file is damaged, or its columns are not those of readings.
    pub(super) fn open(path: &Path, file: Arc<str>, settings: InputSettings) -> Result<Self, Cause> {
        let table = columns::Table::open(File::open(path)?, settings.max_expansion.0).map_err(|e| refuse(&e))?;
        let fields = fields(table.columns()).map_err(Cause::Rejected)?;
        Ok(Self { file, table, fields, dates: settings.date_order, row: Vec::new(), rows: 0 })
    }

    /// Returns the next message.
    pub(super) fn next(&mut self) -> Option<Result<InputMessage, Cause>> {
        match self.table.read(&mut self.row) {
            Ok(false) => return None,
            Ok(true) => self.rows += 1,
            Err(e) => return Some(Err(refuse(&e))),
        }
        let mut body = Vec::with_capacity(320);
        for ((name, column), cell) in self.fields.iter().zip(&self.row) {
            body.push(if body.is_empty() { b'{' } else { b',' });
            push(&mut body, &serde_json::Value::from(name.as_str()).to_string());
            body.push(b':');
            push(&mut body, &json(*column, cell));
        }
        body.push(b'}');
        let body = body.into();
        let body = match dates::rewrite(&body, self.dates, self.rows) {
            Ok(changed) => changed.map_or(body, |changed| changed.message),
            Err(e) => return Some(Err(e)),
        };
        Some(Ok(InputMessage { file: Arc::clone(&self.file), line: self.rows, body }))
    }
}

/// Returns the field of each column.
fn fields(columns: &[TableColumn]) -> Result<Vec<(String, Option<Column>)>, String> {
    let mut fields = Vec::<(String, Option<Column>)>::with_capacity(columns.len());
    for TableColumn { name, kind, shown } in columns {
        let Some(kind) = kind else {
            return Err(format!("its column {name} is nested: write a file of flat columns"));
        };
        let column = column(name.as_bytes());
        if let Some(column) = column {
            if fields.iter().any(|(_, known)| *known == Some(column)) {
                return Err(format!("it has the column {column} more than once: remove or rename one of them"));
            }
            if !fits(column.kind(), *kind) {
                return Err(format!("its column {name} has the type {shown}: write it as {}", expected(column.kind())));
            }
        }
        fields.push((column.map_or_else(|| name.clone(), |column| column.name().to_owned()), column));
    }
    let missing: Vec<_> =
        FIELDS.iter().filter(|field| !fields.iter().any(|(_, column)| *column == Some(**field))).collect();
    if missing.is_empty() {
        return Ok(fields);
    }
    let missing = missing.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ");
    Err(format!("it has no column {missing}: name its columns {}", COLUMNS.join(", ")))
}

/// Returns true if values of a column can have this type.
fn fits(wanted: ColumnKind, found: CellType) -> bool {
    match found {
        CellType::Text => true,
        CellType::Int | CellType::Unsigned | CellType::Float | CellType::Decimal { .. } => {
            wanted != ColumnKind::Instant
        }
        CellType::Date | CellType::Time { .. } => wanted == ColumnKind::Instant,
        CellType::Bool | CellType::Bytes => false,
    }
}

fn expected(wanted: ColumnKind) -> &'static str {
    match wanted {
        ColumnKind::Text => "STRING or integer",
        ColumnKind::Weight | ColumnKind::Count => "a number",
        ColumnKind::Instant => "TIMESTAMP or STRING",
    }
}

/// Returns a value as JSON.
fn json(column: Option<Column>, cell: &Cell) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let is_id = column.is_some_and(|column| column.kind() == ColumnKind::Text);
    match cell {
        Cell::Null => "null".into(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        // With a fraction it stays a number, which is no id in any format.
        Cell::Decimal(value) if is_id && !whole(value).contains('.') => text(whole(value)),
        Cell::Decimal(value) => value.clone(),
        // pandas turns a column of integers into floats if a value is missing.
        Cell::Double(value) if is_id && value.is_nan() => "null".into(),
        Cell::Float(value) if is_id && value.is_nan() => "null".into(),
        // More digits than a float holds: in scientific notation, the id is rejected because of its lost digits.
        Cell::Double(value) if is_id && value.abs() > EXACT => format!("{value:e}"),
        Cell::Float(value) if is_id && value.abs() > EXACT_SINGLE => format!("{value:e}"),
        Cell::Double(value) if value.is_finite() => serde_json::Value::from(*value).to_string(),
        Cell::Float(value) if value.is_finite() => value.to_string(),
        Cell::Double(value) => text(&value.to_string()),
        Cell::Float(value) => text(&value.to_string()),
        Cell::Text(value) => text(value),
        Cell::Bytes(value) if column.is_some() => format!("{{\"bytes\":\"{}\"}}", hex(value)),
        Cell::Bytes(value) => text(&hex(value)),
        Cell::Time(at) => text(&timestamp::as_farm(*at)),
    }
}

/// Returns a decimal number without a fraction of zeros.
fn whole(decimal: &str) -> &str {
    match decimal.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => decimal,
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn refuse(e: &ParquetError) -> Cause {
    Cause::Rejected(match e {
        ParquetError::NYI(why) => {
            format!("it uses a feature of Parquet that is not supported ({why}): write it with snappy or zstd")
        }
        e if e.to_string().contains("Disabled feature") => {
            "it is compressed with brotli: write it with snappy, zstd, gzip or lz4".into()
        }
        e => format!("it is a damaged or truncated Parquet file ({e}): get it again"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_id_with_a_fraction_is_a_number_as_in_json() {
        for (value, expected) in [("12.00", "\"12\""), ("12", "\"12\""), ("12.50", "12.50")] {
            assert_eq!(json(Some(Column::IdLote), &Cell::Decimal(value.into())), expected);
        }
        assert_eq!(json(Some(Column::PesoMedio), &Cell::Decimal("12.50".into())), "12.50");
    }
}
