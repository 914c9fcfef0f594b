//! Limits of a real table's columns, so that a row can be checked before it is sent.
//!
//! The servers also reject what is rejected here, in strict mode. They may reject more (a CHECK, a foreign key, a
//! trigger).

use chrono::{NaiveDate, NaiveDateTime};

use crate::record::Column;
use crate::record::row::{Row, Value};

/// Limit of one column: characters, numbers, digits or years.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ColumnLimit {
    /// No known limit.
    #[default]
    Unknown,
    /// Limit of a text column.
    Text {
        /// Maximum number of characters.
        chars: u64,
        /// Supported characters.
        set: Charset,
    },
    /// Limits of an integer column, both inclusive.
    Integer {
        /// Minimum.
        least: i64,
        /// Maximum.
        max: i64,
    },
    /// Limits of a column whose values are rounded to `decimals` and then limited in size.
    Number {
        /// Maximum absolute value.
        max: f64,
        /// Number of decimals. `None` for binary numbers.
        decimals: Option<u8>,
        /// True if values may be negative.
        signed: bool,
    },
    /// Limits of a time column, both inclusive.
    Instant {
        /// Minimum.
        first: NaiveDateTime,
        /// Maximum.
        last: NaiveDateTime,
    },
}

/// Characters that a column can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// All characters.
    Any,
    /// Unicode up to U+FFFF: no emoji.
    Utf8mb3,
    /// MySQL's latin1, which is Windows-1252.
    Latin1,
    /// ASCII only.
    Ascii,
}

/// Characters of Windows-1252 in place of the control characters U+0080 to U+009F.
const WINDOWS_1252: &str = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ";

/// Control characters that are undefined in Windows-1252, and stored unchanged by MySQL's latin1.
const KEPT: [char; 5] = ['\u{81}', '\u{8d}', '\u{8f}', '\u{90}', '\u{9d}'];

impl Charset {
    /// Returns the character set of that name; [`Charset::Any`] if it is unknown.
    pub fn named(name: &str) -> Self {
        match name {
            "utf8" | "utf8mb3" | "ucs2" => Self::Utf8mb3,
            "latin1" => Self::Latin1,
            "ascii" => Self::Ascii,
            _ => Self::Any,
        }
    }

    /// Returns true if a column can store the character.
    pub fn has(self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Utf8mb3 => u32::from(c) <= 0xffff,
            Self::Latin1 => {
                matches!(c, ..'\u{80}' | '\u{a0}'..='\u{ff}') || KEPT.contains(&c) || WINDOWS_1252.contains(c)
            }
            Self::Ascii => c.is_ascii(),
        }
    }
}

/// Limits of the columns, in table order.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ColumnLimits(pub [ColumnLimit; Column::COUNT]);

impl ColumnLimits {
    /// Returns why a row exceeds a limit, with the column's name. `None` if no limit is known to be exceeded.
    pub fn violation(&self, row: &Row) -> Option<String> {
        let columns = Column::ALL.into_iter().zip(&self.0).zip(&row.0);
        columns.filter_map(|((column, limit), value)| limit.violation(column, value)).next()
    }
}

impl ColumnLimit {
    fn violation(self, column: Column, value: &Value) -> Option<String> {
        match (self, value) {
            (Self::Text { chars, set }, Value::Text(text)) => {
                let count = text.chars().count();
                if count as u64 > chars {
                    return Some(format!("{column} has {count} characters, and its column holds {chars}"));
                }
                let strange = text.chars().find(|&c| !set.has(c))?;
                Some(format!(
                    "{column} has {strange:?}, which the column's character set cannot store: convert the column to utf8mb4"
                ))
            }
            (Self::Integer { least, max }, &Value::Integer(number)) if !(least..=max).contains(&number) => {
                Some(format!("{column} is {number}, and its column holds {least} to {max}"))
            }
            (Self::Instant { first, last }, Value::DateTime(at)) if !(first..=last).contains(at) => {
                Some(format!("{column} is {at}, and its column holds {first} to {last}: make it a DATETIME"))
            }
            (Self::Number { .. }, Value::Float(number)) => self.refuse_number(column, f64::from(*number)),
            (Self::Number { .. }, Value::Double(number)) => self.refuse_number(column, *number),
            _ => None,
        }
    }

    fn refuse_number(self, column: Column, number: f64) -> Option<String> {
        let Self::Number { max, decimals, signed } = self else { return None };
        // A value less than half a unit of the last decimal above the maximum is rounded down to it.
        let half = decimals.map_or(0.0, |decimals| 0.5 * 10_f64.powi(-i32::from(decimals)));
        if !number.is_finite() || number.abs() >= max + half && number.abs() > max {
            return Some(format!("{column} is {number}, and its column holds no more than {max}"));
        }
        (number < 0.0 && !signed).then(|| format!("{column} is {number}, and its column is UNSIGNED"))
    }
}

/// Returns the range of TIMESTAMP: seconds in 31 bits, without 0. The larger range of MariaDB since 11.5 is not used.
fn timestamp() -> ColumnLimit {
    let at =
        |date: Option<NaiveDate>, hour, minute, second| date.and_then(|date| date.and_hms_opt(hour, minute, second));
    let first = at(NaiveDate::from_ymd_opt(1970, 1, 1), 0, 0, 1);
    let last = at(NaiveDate::from_ymd_opt(2038, 1, 19), 3, 14, 7);
    first.zip(last).map_or(ColumnLimit::Unknown, |(first, last)| ColumnLimit::Instant { first, last })
}

/// Limits of a column in `information_schema`.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnSizes {
    /// Type in lower case: `varchar`, `decimal`, …
    pub kind: String,
    pub unsigned: bool,
    pub chars: Option<u64>,
    /// Name of its character set.
    pub set: Option<String>,
    pub digits: Option<u64>,
    pub decimals: Option<u64>,
}

impl ColumnSizes {
    pub fn limit(&self) -> ColumnLimit {
        let integer = |bits: u32| {
            let max = i64::MAX >> (64 - bits);
            if self.unsigned {
                return ColumnLimit::Integer { least: 0, max: max.saturating_mul(2).saturating_add(1) };
            }
            ColumnLimit::Integer { least: -max - 1, max }
        };
        let decimals = self.decimals.and_then(|decimals| u8::try_from(decimals).ok());
        let number = |most: f64| {
            let fixed = self.digits.zip(decimals).map(|(digits, decimals)| {
                let whole = i32::try_from(digits).unwrap_or_default() - i32::from(decimals);
                10_f64.powi(whole) - 10_f64.powi(-i32::from(decimals))
            });
            ColumnLimit::Number { max: fixed.unwrap_or(most), decimals, signed: !self.unsigned }
        };
        match self.kind.as_str() {
            "varchar" | "char" | "text" | "mediumtext" | "longtext" => ColumnLimit::Text {
                chars: self.chars.unwrap_or(u64::MAX),
                set: self.set.as_deref().map_or(Charset::Any, Charset::named),
            },
            "tinyint" => integer(8),
            "smallint" => integer(16),
            "mediumint" => integer(24),
            "int" => integer(32),
            "bigint" => integer(64),
            "float" => number(f32::MAX.into()),
            "double" | "decimal" => number(f64::MAX),
            "timestamp" => timestamp(),
            _ => ColumnLimit::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(kind: &str, unsigned: bool) -> ColumnSizes {
        ColumnSizes { kind: kind.into(), unsigned, ..ColumnSizes::default() }
    }

    #[test]
    fn integers_have_the_range_of_their_type() {
        for (kind, unsigned, least, most) in [
            ("tinyint", false, -128, 127),
            ("tinyint", true, 0, 255),
            ("smallint", false, -32_768, 32_767),
            ("mediumint", true, 0, 16_777_215),
            ("int", false, i64::from(i32::MIN), i64::from(i32::MAX)),
            ("int", true, 0, u32::MAX.into()),
            ("bigint", false, i64::MIN, i64::MAX),
            ("bigint", true, 0, i64::MAX),
        ] {
            assert_eq!(sizes(kind, unsigned).limit(), ColumnLimit::Integer { least, max: most }, "{kind} {unsigned}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_column() {
        let text = |chars, set| ColumnLimit::Text { chars, set };
        let at = |text: &str| Value::DateTime(text.parse().unwrap());
        let decimal = ColumnSizes { digits: Some(5), decimals: Some(2), ..sizes("decimal", true) }.limit();
        let cases = [
            (text(3, Charset::Any), Value::Text("abc🐂".into()), true),
            (text(4, Charset::Any), Value::Text("abc🐂".into()), false),
            (text(4, Charset::Utf8mb3), Value::Text("abc🐂".into()), true),
            (text(9, Charset::Utf8mb3), Value::Text("ração 日".into()), false),
            (text(9, Charset::Latin1), Value::Text("ração €".into()), false),
            (text(9, Charset::Latin1), Value::Text("日".into()), true),
            (text(9, Charset::Latin1), Value::Text("\u{80}".into()), true),
            (text(9, Charset::Ascii), Value::Text("ã".into()), true),
            (decimal, Value::Double(999.99), false),
            (decimal, Value::Double(999.994), false),
            (decimal, Value::Double(999.996), true),
            (decimal, Value::Double(-1.0), true),
            (sizes("float", false).limit(), Value::Float(f32::MAX), false),
            (sizes("float", false).limit(), Value::Float(f32::INFINITY), true),
            (sizes("int", false).limit(), Value::Integer(1 << 31), true),
            (sizes("varbinary", false).limit(), Value::Integer(1 << 31), false),
            (text(0, Charset::Ascii), Value::Null, false),
            (sizes("timestamp", false).limit(), at("1970-01-01T00:00:00"), true),
            (sizes("timestamp", false).limit(), at("1970-01-01T00:00:01"), false),
            (sizes("timestamp", false).limit(), at("2038-01-19T03:14:07"), false),
            (sizes("timestamp", false).limit(), at("2038-01-19T03:14:08"), true),
            (sizes("datetime", false).limit(), at("2038-01-19T03:14:08"), false),
        ];
        for (limit, value, refused) in cases {
            let why = limit.violation(Column::IdLote, &value);
            assert_eq!(why.is_some(), refused, "{limit:?} {value:?} {why:?}");
            assert!(why.is_none_or(|why| why.starts_with("id_lote ")));
        }
    }
}
