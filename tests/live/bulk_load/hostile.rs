//! Random rows whose texts mean something to LOAD DATA, to SQL or to a terminal, and whose numbers are at their limits.

use chrono::DateTime;
use fastrand::Rng;
use pipeline::record::row::{Row, Value};
use pipeline::record::{Column, ColumnKind};
use uuid::Builder;

/// Pieces of hostile texts.
const PIECES: [&str; 24] = [
    "\\",
    "\\N",
    "\\0",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\u{8}",
    "\u{1a}",
    "\u{1b}[2J",
    "'",
    "\"",
    "`",
    "--",
    "/*",
    ";",
    "%",
    "NULL",
    "\u{feff}",
    "\u{1f402}",
    "Sa\u{303}o",
    "\u{202e}",
    "x",
];

/// Numbers at the limits of FLOAT. Without -0, which equals 0 and is stored as 0 by MariaDB.
const WEIGHTS: [f32; 7] = [0.0, 1e-45, f32::MIN_POSITIVE, 16_777_217.0, f32::MAX, f32::MIN, 374.914];

/// Returns rows in the order of their ids.
pub fn rows(count: u128) -> Vec<Row> {
    let mut rng = Rng::with_seed(7);
    (0..count).map(|n| row(n, &mut rng)).collect()
}

fn row(number: u128, rng: &mut Rng) -> Row {
    let mut row = Row::nulls();
    for column in Column::ALL {
        row.0[column.index()] = match column.kind() {
            _ if column == Column::IdTreatedData => {
                Value::Text(Builder::from_u128(number << 80 | 8 << 76 | 2 << 62).into_uuid().to_string())
            }
            ColumnKind::Text => Value::Text((0..rng.usize(..40)).map(|_| PIECES[rng.usize(..PIECES.len())]).collect()),
            ColumnKind::Weight if rng.bool() => Value::Float(WEIGHTS[rng.usize(..WEIGHTS.len())]),
            ColumnKind::Weight => Value::Float(f32::from_bits(rng.u32(..)).clamp(f32::MIN, f32::MAX).max(f32::MIN)),
            ColumnKind::Count => Value::Integer([0, -1, 51, i64::from(i32::MAX), i64::from(i32::MIN)][rng.usize(..5)]),
            ColumnKind::Instant => {
                let seconds = rng.i64(0..253_402_300_800);
                DateTime::from_timestamp(seconds, 0).map_or(Value::Null, |at| Value::DateTime(at.naive_utc()))
            }
        };
    }
    row
}
