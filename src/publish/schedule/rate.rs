//! A constant rate.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Maximum rate in messages per second: one message per microsecond.
const HIGHEST: f64 = 1e6;
/// Minimum rate: about one message in three hours.
const LOWEST: f64 = 1e-4;

/// A rate in messages per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// Returns the rate in messages per second.
    pub fn per_second(self) -> f64 {
        self.0
    }

    /// Returns when message `n`, counted from 0, is due. Computed directly, so rounding errors do not add up.
    pub(super) fn due(self, n: u64) -> Duration {
        Duration::from_secs_f64((n as f64 / self.0).min(1e12))
    }
}

impl FromStr for Rate {
    type Err = String;

    /// Reads `500/s`, `30000/m` or `1000/h`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, seconds) = match text.split_once('/') {
            None if text.trim().parse::<f64>().is_ok() => {
                return Err(format!("{text} has no unit: write {text}/s, {text}/m or {text}/h"));
            }
            Some((number, "s")) => (number, 1.0),
            Some((number, "m" | "min")) => (number, 60.0),
            Some((number, "h")) => (number, 3_600.0),
            _ => (text, 1.0),
        };
        match number.trim().parse::<f64>() {
            Ok(number) if (LOWEST..=HIGHEST).contains(&(number / seconds)) => Ok(Self(number / seconds)),
            _ => {
                Err("write messages per second, minute or hour, such as 500/s, 30000/m or 1000/h, up to 1000000/s"
                    .into())
            }
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn rates_are_read_by_the_second_minute_and_hour() {
        let cases = [("500/s", 500.0), ("30000/m", 500.0), ("3600/h", 1.0), ("0.5/s", 0.5), ("60/min", 1.0)];
        for (text, per_second) in cases {
            assert!((rate(text).per_second() - per_second).abs() < 1e-9, "{text}");
        }
        for text in ["", "0/s", "-1/s", "x", "5/d", "5/", "/s", "2000000/s", "5 m"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("500/s"), "{text}");
        }
        assert!("500".parse::<Rate>().unwrap_err().contains("write 500/s, 500/m or 500/h"));
    }

    #[test]
    fn messages_are_due_evenly() {
        assert_eq!(rate("500/s").due(0), Duration::ZERO);
        assert_eq!(rate("500/s").due(1), Duration::from_millis(2));
        assert_eq!(rate("500/s").due(1_000_000), Duration::from_secs(2_000));
    }
}
