//! Number formats of the report: thousands separators, a proper minus sign, plurals.

use serde_json::Value;

pub(super) use crate::render::{count, counted as of};

/// Numbers from this size on are shown in scientific notation: an f64 has no more digits.
const EXTREME: f64 = 1e16;

/// Returns true for numbers that are shown in scientific notation.
fn is_extreme(value: f64) -> bool {
    value.is_finite() && value.abs() >= EXTREME
}

/// Returns a number in scientific notation, with up to seven digits: `−3.4e38`.
fn scientific(value: f64) -> String {
    let text = format!("{value:.6e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.')).replace('-', "−")
}

/// Returns a number with `decimals` decimals and separators: `-1,234.500`; an extreme one in scientific notation.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if is_extreme(value) {
        return scientific(value);
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
    let difference = if difference.contains('.') && !difference.contains('e') {
        difference.trim_end_matches('0').trim_end_matches('.')
    } else {
        &difference
    };
    if short_a == short_b && a.to_bits() != b.to_bits() {
        return [digits(a), digits(b), difference.into()];
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
            if f64::from(narrow).to_bits() != wide.to_bits() {
                digits(wide)
            } else if is_long(wide) {
                format!("{narrow:e}")
            } else {
                narrow.to_string()
            }
        }
        other => other.to_string(),
    }
}

/// Returns a number with all digits that distinguish it.
fn digits(value: f64) -> String {
    if is_long(value) { format!("{value:e}") } else { value.to_string() }
}

/// Returns true for a number that would be written with many zeros before or after its digits.
fn is_long(value: f64) -> bool {
    is_extreme(value) || value != 0.0 && value.abs() < 1e-6
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
    fn extreme_numbers_are_short() {
        assert_eq!(decimal(5.44e39, 3), "5.44e39");
        assert_eq!(decimal(-6.456_36e19, 0), "−6.45636e19");
        assert_eq!(decimal(9_007_199_254_740_992.0, 0), "9,007,199,254,740,992");
        assert_eq!(signed(3.4e38, 3), "+3.4e38");
        let wide = f64::from(f32::MAX);
        assert_eq!(pair(&wide.into(), &1.5.into()), ["3.4028235e38", "1.5", "−3.402823e38"]);
        assert_eq!(pair(&1e-30.into(), &1.0.into()), ["1e-30", "1", "+1"]);
        assert_eq!(plain(&0.0.into()), "0");
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
