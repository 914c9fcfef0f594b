//! Accepted differences between two values, as set by the user; off by default.

use std::fmt;
use std::str::FromStr;

use crate::units;
use pipeline::record::row::{Difference, Value};
use pipeline::record::{Column, ColumnKind};

/// Column with the accepted difference of its values, in the column's unit; in seconds for times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Column with numbers or times.
    pub column: Column,
    /// Maximum difference, inclusive.
    pub max: f64,
}

impl Tolerance {
    /// Returns true if a difference is accepted.
    pub fn forgives(&self, difference: &Difference) -> bool {
        difference.column == self.column
            && distance(&difference.lake, &difference.warehouse).is_some_and(|distance| distance <= self.max)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of head and days, and seconds")]
fn distance(lake: &Value, warehouse: &Value) -> Option<f64> {
    match (lake, warehouse) {
        // Compares the shortest decimal forms, which users see and specify tolerances for.
        (Value::Float(a), Value::Float(b)) => {
            let decimal = |value: &f32| value.to_string().parse::<f64>().ok();
            Some(rounded(decimal(a)? - decimal(b)?))
        }
        (Value::Double(a), Value::Double(b)) => Some(rounded(a - b)),
        (Value::Integer(a), Value::Integer(b)) => Some(a.abs_diff(*b) as f64),
        (Value::DateTime(a), Value::DateTime(b)) => {
            Some((*a - *b).num_microseconds()?.unsigned_abs() as f64 / 1_000_000.0)
        }
        _ => None,
    }
}

/// Returns a distance without the rounding error of the subtraction: 374.92 − 374.91 is 0.01.
fn rounded(distance: f64) -> f64 {
    (distance.abs() * 1e9).round() / 1e9
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not COLUMN=AMOUNT, such as peso_medio=0.01 or row_ts=1s");
        let (name, max) = text.split_once('=').ok_or_else(refuse)?;
        let column = Column::from_name(name.trim()).ok_or_else(refuse)?;
        if column.kind() == ColumnKind::Text {
            return Err(format!("{column} is text, which has no tolerance"));
        }
        let most = max.trim();
        let most = match column.kind() {
            ColumnKind::Instant => units::duration(most).map_err(|e| format!("{text}: {e}"))?.as_secs_f64(),
            _ => most.parse().ok().filter(|most: &f64| most.is_finite() && *most >= 0.0).ok_or_else(refuse)?,
        };
        Ok(Self { column, max: most })
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.column.kind() == ColumnKind::Instant { "s" } else { "" };
        write!(f, "{}={}{unit}", self.column, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::timestamp;

    #[test]
    fn a_tolerance_includes_its_limit() {
        let at = |text: &str| Value::DateTime(timestamp::parse(text).unwrap().naive_utc());
        let cases = [
            ("peso_medio=0.01", Value::Float(374.91), Value::Float(374.92), true),
            ("peso_medio=0.01", Value::Float(374.91), Value::Float(374.921), false),
            ("peso_medio=0.01", Value::Double(374.91), Value::Double(374.9), true),
            ("peso_medio=0", Value::Double(0.1), Value::Double(0.2), false),
            ("peso_medio=5", Value::Float(1.0), Value::Null, false),
            ("quantidade_animais=2", Value::Integer(51), Value::Integer(49), true),
            ("quantidade_animais=2", Value::Integer(51), Value::Integer(54), false),
            ("row_ts=1s", at("2026-11-22T18:49:03.5"), at("2026-11-22T18:49:04"), true),
            ("row_ts=1s", at("2026-11-22T18:49:03"), at("2026-11-22T18:49:04.000001"), false),
        ];
        for (text, lake, warehouse, forgiven) in cases {
            let tolerance: Tolerance = text.parse().unwrap();
            assert_eq!(tolerance.to_string(), text);
            let mut difference = Difference { column: tolerance.column, lake, warehouse };
            assert_eq!(tolerance.forgives(&difference), forgiven, "{text} {difference:?}");
            difference.column = Column::Data;
            assert!(!tolerance.forgives(&difference), "of that column only");
        }
    }

    #[test]
    fn what_is_no_tolerance_is_refused() {
        for invalid in
            ["", "peso_medio", "peso=1", "peso_medio=", "peso_medio=-1", "peso_medio=nan", "cod_cliente=1", "row_ts=1"]
        {
            assert!(invalid.parse::<Tolerance>().is_err(), "{invalid}");
        }
    }
}
