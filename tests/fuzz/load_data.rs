//! The text of LOAD DATA: a reader that follows the servers' rules finds the values of the row. `tests/live` compares it with
//! what INSERT stores in real servers.

use chrono::{DateTime, NaiveDateTime};
use pipeline::record::row::{ColumnType, Row, TableSchema, Value};
use pipeline::record::{Column, ColumnKind};
use pipeline::warehouse::mysql::load_data_line;

use crate::engine::{Target, ensure, same};

/// Returns a row whose values are made of the input, a value per column.
fn row(bytes: &[u8], schema: &TableSchema) -> Row {
    let mut parts = bytes.split(|byte| *byte == b'|');
    let mut row = Row::nulls();
    for column in Column::ALL {
        let part = parts.next().unwrap_or_default();
        if part == b"null" {
            continue;
        }
        let mut bits = [0; 8];
        bits.iter_mut().zip(part).for_each(|(bit, byte)| *bit = *byte);
        let bits = u64::from_le_bytes(bits);
        let text = String::from_utf8_lossy(part).into_owned();
        let number = std::str::from_utf8(part).ok().and_then(|text| text.parse::<f64>().ok());
        row.0[column.index()] = match (column.kind(), schema.of(column)) {
            (ColumnKind::Text, _) => Value::Text(text),
            (ColumnKind::Weight, ColumnType::Float { .. }) => {
                let value = number.map_or(f32::from_bits(bits as u32), |number| number as f32);
                if value.is_finite() { Value::Float(value) } else { Value::Null }
            }
            (ColumnKind::Weight, _) => {
                let value = number.unwrap_or(f64::from_bits(bits));
                if value.is_finite() { Value::Double(value) } else { Value::Null }
            }
            (ColumnKind::Count, _) => Value::Integer(bits.cast_signed()),
            (ColumnKind::Instant, _) => {
                let micros = bits % (253_402_300_800 * 1_000_000);
                DateTime::from_timestamp_micros(micros.cast_signed())
                    .map_or(Value::Null, |at| Value::DateTime(at.naive_utc()))
            }
        };
    }
    row
}

/// Reads one line as LOAD DATA does: fields end with a tab, the line with a line feed, and a backslash escapes the next
/// character; `\N` alone is NULL.
fn fields(line: &[u8]) -> Result<Vec<Option<Vec<u8>>>, String> {
    let (mut fields, mut field, mut is_null) = (Vec::new(), Vec::new(), false);
    let mut bytes = line.iter().copied();
    loop {
        match bytes.next().ok_or("the line does not end")? {
            b'\t' => {
                let value = std::mem::take(&mut field);
                fields.push((!std::mem::take(&mut is_null)).then_some(value));
            }
            b'\n' => {
                fields.push((!is_null).then_some(field));
                ensure(bytes.next().is_none(), || "the line ends early".into())?;
                return Ok(fields);
            }
            b'\\' => match bytes.next().ok_or("the line ends within an escape")? {
                b'N' if field.is_empty() => is_null = true,
                b'0' => field.push(0),
                b'n' => field.push(b'\n'),
                b't' => field.push(b'\t'),
                b'b' => field.push(8),
                b'r' => field.push(b'\r'),
                b'Z' => field.push(26),
                other => field.push(other),
            },
            other => {
                ensure(!is_null, || "text after \\N".into())?;
                field.push(other);
            }
        }
    }
}

/// Returns the value that a server makes of a field: numbers as f64, then rounded to the column's type.
fn value(field: Option<Vec<u8>>, sent: &Value) -> Result<Value, String> {
    let Some(field) = field else { return Ok(Value::Null) };
    let text = String::from_utf8(field).map_err(|e| e.to_string())?;
    let number = || text.parse::<f64>().map_err(|e| format!("{text:?}: {e}"));
    Ok(match sent {
        Value::Float(_) => Value::Float(number()? as f32),
        Value::Double(_) => Value::Double(number()?),
        Value::Integer(_) => Value::Integer(text.parse().map_err(|e| format!("{text:?}: {e}"))?),
        Value::DateTime(_) => {
            let at = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f");
            Value::DateTime(at.map_err(|e| format!("{text:?}: {e}"))?)
        }
        _ => Value::Text(text),
    })
}

#[test]
fn the_text_of_a_row_is_read_back_as_its_values() {
    let mut wide = TableSchema::standard();
    for column in Column::ALL.into_iter().filter(|column| column.kind() == ColumnKind::Weight) {
        wide.0[column.index()] = ColumnType::Double { decimals: None };
    }
    let schemas = [TableSchema::standard(), wide];
    let corpus = [
        "01856aa0-c800-883a-837a-29fe66bbec99|a\tb|\\N|\\|450.5|374.914|51|66|9.076451|6.35|0|São João|x",
        "id|\n|\\t|null|1e-45|-0|\u{7f}|\u{0}|16777217|0.1|zzzzzzz|\r\n\u{1a}\u{8}|null",
        "|||||||||||||",
    ];
    let words = &[
        "\\",
        "\t",
        "\n",
        "\\N",
        "\0",
        "\r",
        "\u{1a}",
        "'",
        "\"",
        "|null|",
        "||",
        "3.4028235e38",
        "1.401298464324817e-45",
    ];
    let name = "load_data::the_text_of_a_row_is_read_back_as_its_values";
    Target { words, ..Target::new(name, 8_000, corpus.map(|row| row.as_bytes().to_vec()).to_vec()) }.run(|bytes| {
        for schema in &schemas {
            line(&row(bytes, schema), schema)?;
        }
        Ok(bytes.contains(&b'|'))
    });
}

fn line(row: &Row, schema: &TableSchema) -> Result<(), String> {
    let mut line = b"before\n".to_vec();
    load_data_line(row, schema, &mut line);
    let line = line.strip_prefix(b"before\n").ok_or("the text before the line changed")?;
    let fields = fields(line)?;
    ensure(fields.len() == Column::COUNT, || format!("{} fields", fields.len()))?;
    let values: Vec<Value> =
        fields.into_iter().zip(&row.0).map(|(field, sent)| value(field, sent)).collect::<Result<_, _>>()?;
    for (sent, read) in row.0.iter().zip(&values) {
        same("a value", &bits(read), &bits(sent))?;
        same("a value", read, sent)?;
    }
    Ok(())
}

/// Returns the bits of a number, so that -0 is not 0.
fn bits(value: &Value) -> u64 {
    match value {
        Value::Float(value) => value.to_bits().into(),
        Value::Double(value) => value.to_bits(),
        _ => 0,
    }
}
