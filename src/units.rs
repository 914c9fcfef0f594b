//! Parses durations and sizes with units, as in flags and the config file.
//!
//! A number without a unit is an error that shows the expected format.

use std::time::Duration;

use bytesize::ByteSize;

/// Maximum duration, in seconds.
const LONGEST: f64 = 1e9;

/// Parses a duration such as `500ms`, `1.5s`, `5m`, `2h` or `1d`. Zero needs no unit.
///
/// The `humantime` crate rejects fractions, which load tests use.
///
/// # Errors
/// Returns an error that shows how a duration is written.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: Option<f64> = number.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    let Some(number) = number else {
        return Err(format!("{text:?} is not a duration: write 500ms, 30s, 5m or 2h"));
    };
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "" if number == 0.0 => 1.0,
        "" => return Err(format!("{text} has no unit: write {text}ms, {text}s or {text}m")),
        _ => return Err(format!("{text:?} has an unknown unit: write ms, s, m, h or d, such as 30s")),
    };
    if number * seconds > LONGEST {
        return Err(format!("{text} is too long"));
    }
    Ok(Duration::from_secs_f64(number * seconds))
}

/// Parses a size such as `64MB`, `1.5GB` or `512MiB`.
///
/// # Errors
/// Returns an error that shows how a size is written.
pub fn size(text: &str) -> Result<ByteSize, String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{text} has no unit: write {text}MB or {text}GB"));
    }
    text.parse().map_err(|_| format!("{text:?} is not a size: write 64MB, 1.5GB or 512MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("5m", 300_000),
            ("2min", 120_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            (" 1 s ", 1_000),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (text, message) in [
            ("5", "write 5ms, 5s or 5m"),
            ("300", "write 300ms, 300s or 300m"),
            ("", "write 500ms, 30s, 5m or 2h"),
            ("s", "is not a duration"),
            ("-1s", "is not a duration"),
            ("NaN", "is not a duration"),
            ("1us", "unknown unit"),
            ("5 parsecs", "unknown unit"),
            ("99999999d", "too long"),
        ] {
            let e = duration(text).unwrap_err();
            assert!(e.contains(message), "{text}: {e}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in [("64MB", 64_000_000), ("1.5GB", 1_500_000_000), ("512MiB", 536_870_912), ("1 kB", 1_000)]
        {
            assert_eq!(size(text), Ok(ByteSize(bytes)), "{text}");
        }
        for (text, message) in
            [("64", "write 64MB or 64GB"), ("", "write 64MB"), ("-1MB", "write 64MB"), ("64MX", "64MB")]
        {
            let e = size(text).unwrap_err();
            assert!(e.contains(message), "{text}: {e}");
        }
    }
}
