//! History in compressed time: a message is due at its own `data`, relative to the first one and divided by a factor.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Factor by which history is faster than real time.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Speedup(f64);

impl Speedup {
    /// Returns how long `days` days of history take, in seconds.
    pub(super) fn seconds(self, days: f64) -> f64 {
        (days - 1.0).max(0.0) * 86_400.0 / self.0
    }
}

impl FromStr for Speedup {
    type Err = String;

    /// Reads `60x`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number = text.trim_end_matches(['x', 'X', '×']);
        if number == text && text.parse::<f64>().is_ok() {
            return Err(format!("{text} has no unit: write {text}x, times faster than real time"));
        }
        match number.parse::<f64>() {
            Ok(times) if (1e-3..=1e9).contains(&times) => Ok(Self(times)),
            _ => Err(
                "write how many times faster than real time, such as 60x (an hour per minute) or 86400x (a day per \
                      second)"
                    .into(),
            ),
        }
    }
}

impl fmt::Display for Speedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", self.0)
    }
}

/// Position of a run in history.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HistoryClock {
    first_ms: Option<i64>,
    latest: Duration,
}

impl HistoryClock {
    /// Returns when a message with that time (Unix milliseconds) is due, never before an earlier one. A late reading,
    /// or one without a time, is due together with the message before it.
    pub(super) fn due(&mut self, speed: Speedup, data_ms: Option<i64>) -> Duration {
        if let Some(ms) = data_ms {
            let since = ms.saturating_sub(*self.first_ms.get_or_insert(ms)).max(0);
            let due = Duration::from_secs_f64(since as f64 / 1e3 / speed.0);
            self.latest = self.latest.max(due);
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_due_by_their_own_times() {
        let speed: Speedup = "60x".parse().unwrap();
        let mut clock = HistoryClock::default();
        let minute = 60_000;
        let due: Vec<_> = [Some(5 * minute), Some(6 * minute), Some(2 * minute), None, Some(65 * minute)]
            .map(|ms| clock.due(speed, ms).as_secs_f64())
            .into();
        assert_eq!(due, [0.0, 1.0, 1.0, 1.0, 60.0]);
    }

    #[test]
    fn a_speedup_is_parsed_as_a_factor() {
        assert_eq!("86400x".parse(), Ok(Speedup(86_400.0)));
        assert_eq!("0.5x".parse(), Ok(Speedup(0.5)));
        assert!("60".parse::<Speedup>().unwrap_err().contains("write 60x"));
        for text in ["", "x", "0x", "-5x", "fast", "NaNx"] {
            assert!(text.parse::<Speedup>().unwrap_err().contains("60x"), "{text}");
        }
    }
}
