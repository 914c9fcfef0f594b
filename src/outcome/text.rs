//! Formatting of counts and durations for users, shared by outcomes, error messages and progress.

use chrono::{DateTime, Utc};

/// Formats a count with commas: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a count with its noun: `1 row`, `1,234 rows`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// Formats a number without decimals, with commas: `1,234`; below 10 with one decimal: `0.5`.
pub(crate) fn rounded(number: f64) -> String {
    let tenths = (number * 10.0).round() / 10.0;
    if tenths < 10.0 && tenths.fract() != 0.0 { format!("{tenths:.1}") } else { count(number.round().max(0.0) as u64) }
}

/// Formats a rate: `12,345/s`, `0.5/s`.
pub(crate) fn rate(per_second: f64) -> String {
    format!("{}/s", rounded(per_second))
}

/// Formats a latency with three digits: `0.412 ms`, `46.1 ms`, `1.02 s`.
pub(crate) fn millis(ms: f64) -> String {
    if !ms.is_finite() {
        return "–".into();
    }
    let (value, unit) = if ms < 999.5 { (ms, "ms") } else { (ms / 1e3, "s") };
    let places = match value {
        v if v < 0.999_5 => 3,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => return format!("{} {unit}", count(value.round() as u64)),
    };
    format!("{value:.places$} {unit}")
}

/// Formats a duration in seconds: `0.42 s`, `3 min 20 s`, `2 days 4 h`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{seconds:.2} s");
    }
    let whole = seconds as u64;
    if whole < 7_200 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else if whole < 172_800 {
        format!("{} h {} min", whole / 3_600, whole % 3_600 / 60)
    } else {
        format!("{} days {} h", count(whole / 86_400), whole % 86_400 / 3_600)
    }
}

/// Formats the time between two instants: `12 s`, `4 min 12 s`.
pub(crate) fn between(first: DateTime<Utc>, second: DateTime<Utc>) -> String {
    match (second - first).num_seconds().unsigned_abs() {
        seconds @ 0..120 => format!("{seconds} s"),
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        seconds => duration(seconds as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn a_count_agrees_with_its_noun() {
        assert_eq!([0, 1, 3_054].map(|n| counted(n, "row", "rows")), ["0 rows", "1 row", "3,054 rows"]);
    }

    #[test]
    fn rates_are_rounded_to_what_can_be_read() {
        let cases =
            [(0.0, "0/s"), (0.04, "0/s"), (0.25, "0.3/s"), (9.96, "10/s"), (12.5, "13/s"), (48_955.6, "48,956/s")];
        for (per_second, text) in cases {
            assert_eq!(rate(per_second), text, "{per_second}");
        }
    }

    #[test]
    fn latencies_have_three_digits_in_a_unit_that_fits() {
        let shown = [0.412, 0.999_9, 4.061, 46.12, 461.2, 999.7, 1_024.0, 61_000.0, 3_600_000.0].map(millis);
        assert_eq!(
            shown,
            ["0.412 ms", "1.00 ms", "4.06 ms", "46.1 ms", "461 ms", "1.00 s", "1.02 s", "61.0 s", "3,600 s"]
        );
        assert_eq!(millis(f64::NAN), "–");
    }

    #[test]
    fn durations_have_suitable_units() {
        for (seconds, text) in
            [(0.42, "0.42 s"), (200.0, "3 min 20 s"), (7_265.0, "2 h 1 min"), (200_000_000.0, "2,314 days 19 h")]
        {
            assert_eq!(duration(seconds), text);
        }
        let first = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(between(first, first), "0 s");
        assert_eq!(between(first, first + chrono::TimeDelta::seconds(252)), "4 min 12 s");
    }
}
