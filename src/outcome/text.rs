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
