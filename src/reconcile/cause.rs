//! Likely causes of a difference, inferred from the two values alone.
//!
//! | lake and warehouse | cause |
//! | --- | --- |
//! | the warehouse has the lake's value in six significant digits, or rounded to its own digits | rounded |
//! | it has the lake's value without its last digits | truncated |
//! | both are neighbouring binary f32 values | one ULP |
//! | one is the other multiplied by a factor between units of weight | unit |
//! | the times differ by a multiple of 15 minutes that a time zone explains | time shift |
//! | the texts differ in case or surrounding white space only; or one starts with the other | case or white space, text truncated |
//! | the warehouse has NULL | NULL |
//! | the warehouse has something that its column's type cannot have: an impossible date, text in a number column | invalid |
//!
//! A cause is reported only if it explains every field that differs.

use std::fmt;

use pipeline::record::row::{Difference, Value};

/// Probable cause of a difference; reports group findings by its text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// Rounded to six significant digits, as by text protocols and tools that copy FLOAT as text.
    SixDigits,
    /// Rounded to this number of decimals.
    Rounded(u32),
    /// Truncated to this number of decimals.
    Truncated(u32),
    /// The next or previous binary f32 value.
    OneUlp,
    /// The warehouse's value is the lake's value multiplied by this factor.
    Unit(&'static str),
    /// The warehouse's time is this number of minutes after the lake's; negative if before.
    TimeShift(i64),
    /// The texts differ only in case, or in leading and trailing white space.
    CaseOrWhitespace,
    /// The warehouse has a prefix of the lake's text.
    TextTruncated,
    /// The warehouse has NULL.
    Null,
    /// The warehouse has no value of the column's type.
    Invalid,
}

/// Factors between units of weight: gram, tonne, pound (exactly 0.45359237 kg), and the arroba of the Brazilian cattle
/// trade (15 kg).
const UNITS: [(f64, &str); 6] = [
    (1_000.0, "grams for kilograms"),
    (0.001, "tonnes for kilograms"),
    (1.0 / 0.453_592_37, "pounds for kilograms"),
    (0.453_592_37, "kilograms taken for pounds"),
    (1.0 / 15.0, "arrobas for kilograms"),
    (15.0, "kilograms taken for arrobas"),
];

/// Maximum difference of a time zone: offsets range from UTC−12 to UTC+14.
const MAX_MINUTES: i64 = 14 * 60;

impl Cause {
    /// Returns the cause that explains all these differences, or `None`.
    pub fn of(differences: &[Difference]) -> Option<Self> {
        let mut causes = differences.iter().map(|d| Self::of_values(&d.lake, &d.warehouse));
        let first = causes.next()??;
        causes.all(|cause| cause == Some(first)).then_some(first)
    }

    fn of_values(lake: &Value, warehouse: &Value) -> Option<Self> {
        match (lake, warehouse) {
            (_, Value::Null) => Some(Self::Null),
            (_, Value::Invalid(_)) => Some(Self::Invalid),
            (Value::Float(lake), Value::Float(warehouse)) => {
                let distance = i64::from(lake.to_bits()) - i64::from(warehouse.to_bits());
                if distance.abs() == 1 { Some(Self::OneUlp) } else { number(&lake.to_string(), &warehouse.to_string()) }
            }
            (Value::Double(lake), Value::Double(warehouse)) => number(&lake.to_string(), &warehouse.to_string()),
            (Value::DateTime(lake), Value::DateTime(warehouse)) => {
                let apart = *warehouse - *lake;
                let minutes = apart.num_minutes();
                let whole = apart == chrono::TimeDelta::minutes(minutes) && minutes % 15 == 0;
                (whole && minutes != 0 && minutes.abs() <= MAX_MINUTES).then_some(Self::TimeShift(minutes))
            }
            (Value::Text(lake), Value::Text(warehouse)) => {
                if lake.trim().to_lowercase() == warehouse.trim().to_lowercase() {
                    Some(Self::CaseOrWhitespace)
                } else {
                    (!warehouse.is_empty() && lake.starts_with(warehouse.as_str())).then_some(Self::TextTruncated)
                }
            }
            _ => None,
        }
    }
}

/// Returns the cause for two numbers in their shortest decimal form.
fn number(lake: &str, warehouse: &str) -> Option<Cause> {
    let (of_lake, of_warehouse): (f64, f64) = (lake.parse().ok()?, warehouse.parse().ok()?);
    let (kept, had) = (decimals(warehouse), decimals(lake));
    if kept < had {
        let unit = 10_f64.powi(-i32::try_from(kept).ok()?);
        let distance = (of_lake - of_warehouse).abs();
        let near = distance <= 0.5 * unit * (1.0 + 1e-9);
        if near && digits(warehouse) == 6 && digits(lake) > 6 {
            return Some(Cause::SixDigits);
        }
        if near {
            return Some(Cause::Rounded(kept));
        }
        if distance < unit && of_warehouse.abs() < of_lake.abs() {
            return Some(Cause::Truncated(kept));
        }
    }
    let unit = UNITS.iter().find(|(factor, _)| {
        let due = of_lake * factor;
        due != 0.0 && ((of_warehouse - due) / due).abs() < 1e-4
    });
    unit.map(|(_, name)| Cause::Unit(name))
}

fn decimals(text: &str) -> u32 {
    text.split_once('.').map_or(0, |(_, fraction)| u32::try_from(fraction.len()).unwrap_or(u32::MAX))
}

/// Returns the number of significant digits.
fn digits(text: &str) -> usize {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').len()
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SixDigits => f.write_str("rounded to six significant digits: copied as text"),
            Self::Rounded(0) => f.write_str("rounded to whole numbers"),
            Self::Rounded(1) => f.write_str("rounded to 1 decimal"),
            Self::Rounded(n) => write!(f, "rounded to {n} decimals"),
            Self::Truncated(0) => f.write_str("truncated to whole numbers"),
            Self::Truncated(1) => f.write_str("truncated to 1 decimal"),
            Self::Truncated(n) => write!(f, "truncated to {n} decimals"),
            Self::OneUlp => f.write_str("off by one ULP (FLOAT)"),
            Self::Unit(name) => f.write_str(name),
            Self::TimeShift(minutes) => {
                let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
                write!(f, "{hours} h")?;
                if rest > 0 {
                    write!(f, " {rest} min")?;
                }
                write!(f, " {} in the warehouse: another time zone", if *minutes < 0 { "earlier" } else { "later" })
            }
            Self::CaseOrWhitespace => f.write_str("differs in case or surrounding whitespace"),
            Self::TextTruncated => f.write_str("text truncated"),
            Self::Null => f.write_str("NULL in the warehouse"),
            Self::Invalid => f.write_str("not a value of its column in the warehouse"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::{Column, timestamp};

    fn at(text: &str) -> Value {
        Value::DateTime(timestamp::parse(text).unwrap().naive_utc())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn of(pairs: &[(Value, Value)]) -> Option<Cause> {
        let differences: Vec<Difference> = pairs
            .iter()
            .map(|(lake, warehouse)| Difference {
                column: Column::PesoMedio,
                lake: lake.clone(),
                warehouse: warehouse.clone(),
            })
            .collect();
        Cause::of(&differences)
    }

    /// Tests every row of the table in the module documentation, with values just outside of each.
    #[test]
    fn the_table_of_causes_is_correct() {
        let noon = "2023-01-01 12:00:00 UTC";
        let cases = [
            (Value::Float(1_234.567_9), Value::Float(1_234.57), Some(Cause::SixDigits)),
            (Value::Float(374.914), Value::Float(374.91), Some(Cause::Rounded(2))),
            (Value::Float(374.916), Value::Float(374.92), Some(Cause::Rounded(2))),
            (Value::Float(374.916), Value::Float(374.91), Some(Cause::Truncated(2))),
            (Value::Double(374.5), Value::Double(375.0), Some(Cause::Rounded(0))),
            (Value::Float(374.914), Value::Float(f32::from_bits(374.914_f32.to_bits() + 1)), Some(Cause::OneUlp)),
            (Value::Float(374.914), Value::Float(374.95), None),
            (Value::Float(374.91), Value::Float(374.914), None),
            (Value::Float(374.914), Value::Float(374_914.0), Some(Cause::Unit("grams for kilograms"))),
            (Value::Float(374.914), Value::Float(826.544), Some(Cause::Unit("pounds for kilograms"))),
            (Value::Float(374.914), Value::Float(24.994_267), Some(Cause::Unit("arrobas for kilograms"))),
            (Value::Float(0.0), Value::Float(5.0), None),
            (at(noon), at("2023-01-01 09:00:00 UTC"), Some(Cause::TimeShift(-180))),
            (at(noon), at("2023-01-01 17:45:00 UTC"), Some(Cause::TimeShift(345))),
            (at(noon), at("2023-01-01 09:00:01 UTC"), None),
            (at(noon), at("2023-01-02 12:00:00 UTC"), None),
            (text("FazendaUm"), text("fazendaum "), Some(Cause::CaseOrWhitespace)),
            (text("FazendaUm"), text("Fazenda"), Some(Cause::TextTruncated)),
            (text("FazendaUm"), text(""), None),
            (at(noon), Value::Invalid("2023-00-00 00:00:00".into()), Some(Cause::Invalid)),
            (text("FazendaUm"), text("FazendaDois"), None),
            (Value::Integer(51), Value::Integer(52), None),
            (Value::Integer(51), Value::Null, Some(Cause::Null)),
        ];
        for (lake, warehouse, cause) in cases {
            assert_eq!(of(&[(lake.clone(), warehouse.clone())]), cause, "{lake:?} {warehouse:?}");
        }
    }

    #[test]
    fn a_cause_explains_every_field_or_none() {
        let (three, four) = ("2023-01-01 03:00:00 UTC", "2023-01-01 04:00:00 UTC");
        let (shift, other) = ((at(three), at("2023-01-01 00:00:00 UTC")), (at(four), at("2023-01-01 02:00:00 UTC")));
        assert_eq!(of(&[shift.clone(), (at(four), at("2023-01-01 01:00:00 UTC"))]), Some(Cause::TimeShift(-180)));
        assert_eq!(of(&[shift.clone(), other]), None);
        assert_eq!(of(&[shift, (Value::Integer(1), Value::Integer(2))]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(Cause::TimeShift(-180).to_string(), "3 h earlier in the warehouse: another time zone");
    }
}
