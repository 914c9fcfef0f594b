//! Encodes rows as text for LOAD DATA: fields separated by tabs, lines by newlines, escapes with backslash.
//!
//! A FLOAT is written as the shortest decimal that keeps its bits if it is read as f64 and rounded, as the servers do.
//! A value of a column with decimals is rounded like the server would, because otherwise the server would warn.

use chrono::{Datelike, NaiveDateTime, Timelike};

use crate::record::Column;
use crate::record::row::{ColumnType, Row, TableSchema, Value};

/// Appends a row with its line end.
pub fn encode(row: &Row, schema: &TableSchema, out: &mut Vec<u8>) {
    for (at, (value, column)) in row.0.iter().zip(Column::ALL).enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        match value {
            Value::Null => out.extend_from_slice(b"\\N"),
            Value::Text(text) | Value::Invalid(text) => escape(text.as_bytes(), out),
            Value::Float(value) => single(*value, out),
            Value::Double(value) => match schema.of(column) {
                ColumnType::Double { decimals: Some(decimals), .. } => rounded(*value, decimals.into(), out),
                _ => double(*value, out),
            },
            Value::Integer(value) => integer(*value, 0, out),
            Value::DateTime(at) => instant(*at, out),
        }
    }
    out.push(b'\n');
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\\' | b'\t' | b'\n' | 0)) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => b"\\\\",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            _ => b"\\0",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is what the server does")]
fn single(value: f32, out: &mut Vec<u8>) {
    let mut buffer = ryu_js::Buffer::new();
    let text = buffer.format(value);
    if text.parse::<f64>().is_ok_and(|read| (read as f32).to_bits() == value.to_bits()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        // Either the shortest decimal is so close to the middle of two f32 that double rounding fails, or it is a
        // negative zero.
        out.extend_from_slice(format!("{value:.8e}").as_bytes());
    }
}

fn double(value: f64, out: &mut Vec<u8>) {
    if value == 0.0 && value.is_sign_negative() {
        return out.extend_from_slice(b"-0");
    }
    out.extend_from_slice(ryu_js::Buffer::new().format(value).as_bytes());
}

/// Appends the shortest decimal of a value, rounded to `decimals` decimals, halves away from zero.
fn rounded(value: f64, decimals: usize, out: &mut Vec<u8>) {
    let text = value.to_string();
    let Some((whole, fraction)) = text.split_once('.').filter(|(_, fraction)| fraction.len() > decimals) else {
        return out.extend_from_slice(text.as_bytes());
    };
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(decimals)).collect();
    if fraction.as_bytes()[decimals] >= b'5' {
        let nines = digits.iter().rev().take_while(|&&digit| digit == b'9').count();
        let at = digits.len() - nines;
        digits[at..].fill(b'0');
        match at.checked_sub(1) {
            Some(at) => digits[at] += 1,
            None => digits.insert(0, b'1'),
        }
    }
    out.extend_from_slice(sign.as_bytes());
    let point = digits.len() - decimals;
    out.extend_from_slice(&digits[..point]);
    if decimals > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
    }
}

/// Appends an integer with at least `least` digits, padded with zeros.
fn integer(value: i64, least: usize, out: &mut Vec<u8>) {
    let (mut digits, mut at, mut left) = ([b'0'; 20], 20, value.unsigned_abs());
    while left > 0 || at == 20 || 20 - at < least {
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

fn instant(at: NaiveDateTime, out: &mut Vec<u8>) {
    let (date, time) = (at.date(), at.time());
    integer(date.year().into(), 4, out);
    let parts =
        [(b'-', date.month()), (b'-', date.day()), (b' ', time.hour()), (b':', time.minute()), (b':', time.second())];
    for (mark, part) in parts {
        out.push(mark);
        integer(part.into(), 2, out);
    }
    let micros = time.nanosecond() / 1_000;
    if micros > 0 {
        out.push(b'.');
        integer(micros.into(), 6, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_whole() {
        for value in [0, 7, -7, 10, 1_234_567_890_123, i64::MAX, i64::MIN] {
            assert_eq!(text(|out| integer(value, 0, out)), value.to_string());
        }
        assert_eq!(text(|out| integer(7, 4, out)), "0007");
        assert_eq!(text(|out| integer(12_345, 4, out)), "12345");
    }

    #[test]
    fn marks_of_the_format_are_escaped() {
        assert_eq!(text(|out| escape("a\tb\nc\\d\0e\r'\"🐂\\N".as_bytes(), out)), "a\\tb\\nc\\\\d\\0e\r'\"🐂\\\\N");
    }

    #[test]
    fn times_have_the_fraction_they_have() {
        for at in ["2023-01-02T03:04:05", "0999-12-31T23:59:59.000123", "2026-11-22T18:49:03.600"] {
            let at: NaiveDateTime = at.parse().unwrap();
            let written = text(|out| instant(at, out));
            assert_eq!(
                written.parse::<NaiveDateTime>().ok().or_else(|| written.replace(' ', "T").parse().ok()),
                Some(at)
            );
        }
    }

    #[test]
    fn halves_are_rounded_away_from_zero_as_in_decimal() {
        for (value, decimals, expected) in [
            (2.675, 2, "2.68"),
            (-2.675, 2, "-2.68"),
            (2.674_999, 2, "2.67"),
            (9.996, 2, "10.00"),
            (0.4, 0, "0"),
            (99.5, 0, "100"),
            (1.5, 2, "1.5"),
            (12.0, 2, "12"),
            (1e-9, 3, "0.000"),
            (1e21, 2, "1000000000000000000000"),
        ] {
            assert_eq!(text(|out| rounded(value, decimals, out)), expected, "{value} {decimals}");
        }
    }

    /// Every value is read like the servers do: as f64, then rounded.
    #[test]
    #[allow(clippy::cast_possible_truncation, reason = "what the server does")]
    fn floats_keep_their_bits() {
        let mut bits = 0x9e37_79b9_u32;
        for _ in 0..300_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(bits);
            if value.is_finite() {
                let written = text(|out| single(value, out));
                assert_eq!((written.parse::<f64>().unwrap() as f32).to_bits(), bits, "{written}");
                let wide = f64::from_bits(u64::from(bits) << 32 | u64::from(bits.rotate_left(7)));
                if wide.is_finite() {
                    let written = text(|out| double(wide, out));
                    assert_eq!(written.parse::<f64>().unwrap().to_bits(), wide.to_bits(), "{written}");
                }
            }
        }
        assert_eq!(text(|out| double(-0.0, out)), "-0");
        assert_eq!(text(|out| single(374.914, out)), "374.914");
    }
}
