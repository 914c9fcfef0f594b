//! Values of any Parquet file by the type that its schema declares.

use chrono::{DateTime, Utc};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::schema::types::ColumnDescriptor;

/// Microseconds per day.
const DAY: i64 = 86_400_000_000;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// No value.
    Null,
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// An integer above the range of [`Cell::Int`].
    UInt(u64),
    Float(f32),
    Double(f64),
    /// A decimal number, written exactly.
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    /// A time or a date, truncated to microseconds. Without a zone it is UTC.
    Time(DateTime<Utc>),
}

impl Cell {
    /// Returns a time; a number outside the range of times stays a number.
    pub(super) fn of_micros(micros: i64) -> Self {
        DateTime::from_timestamp_micros(micros).map_or(Self::Int(micros), Self::Time)
    }
}

/// Type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellType {
    Bool,
    Int,
    /// Unsigned, stored in the bits of a signed integer.
    Unsigned,
    /// Float or double.
    Float,
    Decimal {
        scale: u32,
    },
    /// UTF-8, or bytes that may be UTF-8.
    Text,
    Bytes,
    /// Days since 1970.
    Date,
    /// Units since 1970; the number of them per microsecond, or the microseconds per unit.
    Time {
        per_micro: i64,
        micros: i64,
    },
}

impl CellType {
    /// Returns the type of a column; `None` if its values are lists or structures.
    pub(super) fn of(column: &ColumnDescriptor) -> Option<Self> {
        if column.max_rep_level() > 0 || column.path().parts().len() > 1 {
            return None;
        }
        let logical = column.logical_type_ref();
        let converted = column.converted_type();
        if let Some(LogicalType::Timestamp(time)) = logical {
            return Some(match time.unit {
                TimeUnit::MILLIS => Self::Time { per_micro: 1, micros: 1_000 },
                TimeUnit::MICROS => Self::Time { per_micro: 1, micros: 1 },
                TimeUnit::NANOS => Self::Time { per_micro: 1_000, micros: 1 },
            });
        }
        Some(match (converted, column.physical_type()) {
            (ConvertedType::TIMESTAMP_MILLIS, _) => Self::Time { per_micro: 1, micros: 1_000 },
            (ConvertedType::TIMESTAMP_MICROS, _) | (_, PhysicalType::INT96) => Self::Time { per_micro: 1, micros: 1 },
            (ConvertedType::DATE, _) => Self::Date,
            (ConvertedType::DECIMAL, _) => Self::Decimal { scale: u32::try_from(column.type_scale()).ok()? },
            (
                ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
                PhysicalType::INT32 | PhysicalType::INT64,
            ) => Self::Unsigned,
            (_, PhysicalType::BOOLEAN) => Self::Bool,
            (_, PhysicalType::INT32 | PhysicalType::INT64) => Self::Int,
            (_, PhysicalType::FLOAT | PhysicalType::DOUBLE) => Self::Float,
            (ConvertedType::BSON, _) | (_, PhysicalType::FIXED_LEN_BYTE_ARRAY) => Self::Bytes,
            (_, PhysicalType::BYTE_ARRAY) => Self::Text,
        })
    }

    /// Interprets an integer of a number of bits.
    pub(super) fn of_int(self, value: i64, bits: u32) -> Cell {
        match self {
            Self::Decimal { scale } => Cell::Decimal(decimal(i128::from(value), scale)),
            Self::Date => value.checked_mul(DAY).map_or(Cell::Int(value), Cell::of_micros),
            Self::Time { per_micro, micros } => {
                value.div_euclid(per_micro).checked_mul(micros).map_or(Cell::Int(value), Cell::of_micros)
            }
            Self::Unsigned if bits == 32 => Cell::Int(value & i64::from(u32::MAX)),
            Self::Unsigned => i64::try_from(value.cast_unsigned()).map_or(Cell::UInt(value.cast_unsigned()), Cell::Int),
            _ => Cell::Int(value),
        }
    }

    /// Interprets bytes.
    pub(super) fn of_bytes(self, bytes: &[u8]) -> Cell {
        match self {
            Self::Decimal { scale } => match big_endian(bytes) {
                Some(value) => Cell::Decimal(decimal(value, scale)),
                None => Cell::Bytes(bytes.to_vec()),
            },
            Self::Text => std::str::from_utf8(bytes)
                .map_or_else(|_| Cell::Bytes(bytes.to_vec()), |text| Cell::Text(text.to_owned())),
            _ => Cell::Bytes(bytes.to_vec()),
        }
    }
}

/// Returns the type of a column as Parquet names it, for messages.
pub(super) fn shown(column: &ColumnDescriptor) -> String {
    if column.max_rep_level() > 0 || column.path().parts().len() > 1 {
        return "nested".into();
    }
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(_)), _) => "TIMESTAMP".into(),
        (_, ConvertedType::NONE) => column.physical_type().to_string(),
        (_, converted) => converted.to_string(),
    }
}

/// Reads a big-endian integer in two's complement; `None` above 16 bytes, which is more than 38 digits.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first()? & 0x80 != 0;
    let mut value = [if negative { 0xff } else { 0 }; 16];
    let begin = value.len().checked_sub(bytes.len())?;
    value[begin..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(value))
}

/// Writes `unscaled / 10^scale`.
fn decimal(unscaled: i128, scale: u32) -> String {
    let scale = scale as usize;
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
