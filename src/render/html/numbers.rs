//! Number formats of the report: thousands separators, a proper minus sign, plurals.

use serde_json::Value;

pub(super) use crate::render::{count, counted as of};

/// Returns a number with `decimals` decimals and separators: `-1,234.500`.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let plain = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut out = String::new();
    if value < 0.0 && plain.bytes().any(|b| b.is_ascii_digit() && b != b'0') {
        out.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Returns a difference with its sign; one that would be rounded to 0 is shown in scientific notation.
pub(super) fn signed(value: f64, decimals: usize) -> String {
    let text = decimal(value, decimals);
    let nothing = text.bytes().all(|b| !b.is_ascii_digit() || b == b'0');
    match (nothing, value > 0.0) {
        (true, _) if value == 0.0 => "0".into(),
        (true, _) => format!("{value:+.1e}").replace('-', "−"),
        (false, true) => format!("+{text}"),
        (false, false) => text,
    }
}

/// Returns a percentage, never rounded up to 100 % or down to 0 %.
#[allow(clippy::cast_precision_loss, reason = "a share to one decimal")]
pub(super) fn share(part: u64, whole: u64) -> String {
    if part == whole {
        return "100 %".into();
    }
    format!("{:.1} %", (part as f64 / whole.max(1) as f64 * 100.0).clamp(0.1, 99.9))
}

/// Returns the values of lake and warehouse for a field, short if they stay distinguishable, and their difference.
pub(super) fn pair(lake: &Value, warehouse: &Value) -> [String; 3] {
    let (Some(a), Some(b)) = (lake.as_f64(), warehouse.as_f64()) else {
        return [plain(lake), plain(warehouse), String::new()];
    };
    let (short_a, short_b) = (plain(lake), plain(warehouse));
    let difference = signed(b - a, 6);
    let difference =
        if difference.contains('.') { difference.trim_end_matches('0').trim_end_matches('.') } else { &difference };
    if short_a == short_b && a.to_bits() != b.to_bits() {
        return [a.to_string(), b.to_string(), difference.into()];
    }
    [short_a, short_b, difference.into()]
}

/// Returns a value as text; an f32 that JSON has widened is shown with its own digits.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let wide = number.as_f64().unwrap_or_default();
            #[allow(clippy::cast_possible_truncation, reason = "to see whether it fits")]
            let narrow = wide as f32;
            if f64::from(narrow).to_bits() == wide.to_bits() { narrow.to_string() } else { wide.to_string() }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_and_signs() {
        assert_eq!(decimal(1_234_567.891_4, 3), "1,234,567.891");
        assert_eq!(decimal(-12.0, 0), "−12");
        assert_eq!(decimal(-0.000_1, 3), "0.000");
        assert_eq!(decimal(f64::INFINITY, 3), "–");
        assert_eq!(signed(1_000.0, 1), "+1,000.0");
        assert_eq!(signed(-0.000_02, 3), "−2.0e−5");
        assert_eq!(signed(0.0, 3), "0");
    }

    #[test]
    fn a_share_is_all_or_none_only_when_it_is() {
        assert_eq!(share(5, 5), "100 %");
        assert_eq!(share(999_999, 1_000_000), "99.9 %");
        assert_eq!(share(1, 1_000_000), "0.1 %");
    }

    #[test]
    fn floats_are_short_unless_that_hides_the_difference() {
        let widened = f64::from(9.076_451_f32);
        assert_eq!(pair(&widened.into(), &9.5.into()), ["9.076451", "9.5", "+0.423549"]);
        let [lake, warehouse, _] = pair(&9.076_451.into(), &widened.into());
        assert_ne!(lake, warehouse);
        assert_eq!(pair(&"a".into(), &Value::Null), ["a", "NULL", ""]);
    }
}
