//! Settings of the faults, as tests set them and as `PUT /faults` accepts them in JSON. `fault_control` chooses the requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Fault settings. The default is a service without faults.
///
/// Fractions are from 0 to 1. Random choices depend on the seed, the content and the number of earlier arrivals of that
/// content, never on the order of arrival: the same messages have the same faults with any number of connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Random seed: another seed affects other messages.
    pub seed: u64,
    /// Latency of every response, in milliseconds.
    pub latency_ms: f64,
    /// Maximum additional latency in milliseconds, uniformly distributed.
    pub jitter_ms: f64,
    /// Maximum messages per second, also in one burst; a request above it is rejected completely.
    pub throttle_per_second: Option<u32>,
    /// Error code of throttling; SNS uses `Throttling` or `ThrottlingException`, with status 400.
    pub throttle_code: String,
    /// Fraction of batch entries that fail although the request succeeds.
    pub fail_entries: f64,
    /// Error code of failed entries.
    pub fail_code: String,
    /// True if these errors are marked as the sender's fault.
    pub fail_sender: bool,
    /// Fraction of requests that return 500 `InternalFailure` and are not processed.
    pub internal_error: f64,
    /// Fraction of requests whose connection is reset before they are processed.
    pub reset: f64,
    /// Fraction of requests whose connection is closed, without a reset, before they are processed.
    pub close: f64,
    /// Fraction of requests whose connection is reset after they were processed.
    pub lost_answer: f64,
    /// Duration of a stall in every `stall_every_seconds`, in seconds. Requests of that time get their response after it.
    /// The first stall is at the end of the first period after the setting was changed.
    pub stall_seconds: f64,
    /// Interval between the starts of two stalls, in seconds.
    pub stall_every_seconds: f64,
    /// Every request fails because its credentials have expired.
    pub expired: bool,
    /// Number of requests after which all credentials seen so far expire; others are valid.
    pub expire_after: Option<u64>,
    /// The account may publish to topics but not read their attributes.
    pub may_not_read_attributes: bool,
    /// Time for which repeats on a FIFO topic are dropped, in seconds.
    pub dedup_seconds: f64,
    /// Fraction of deliveries to subscribers that are made twice.
    pub deliver_twice: f64,
    /// What is stored of accepted messages.
    pub keep: Keep,
    /// Maximum number of stored messages; later ones are only counted.
    pub keep_max: usize,
}

/// Data of accepted messages that is stored in addition to their count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Only their count.
    #[default]
    Counts,
    /// 16 bytes of SHA-256 each, to detect repeats.
    Digests,
    /// Complete messages.
    Bodies,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            latency_ms: 0.0,
            jitter_ms: 0.0,
            throttle_per_second: None,
            throttle_code: "Throttling".into(),
            fail_entries: 0.0,
            fail_code: "InternalError".into(),
            fail_sender: false,
            internal_error: 0.0,
            reset: 0.0,
            close: 0.0,
            lost_answer: 0.0,
            stall_seconds: 0.0,
            stall_every_seconds: 0.0,
            expired: false,
            expire_after: None,
            may_not_read_attributes: false,
            dedup_seconds: 300.0,
            deliver_twice: 0.0,
            keep: Keep::Counts,
            keep_max: 10_000_000,
        }
    }
}

impl Settings {
    /// Returns the remaining duration of a stall at that time after the settings were changed; `None` outside of stalls.
    pub(crate) fn stall_left(&self, since: Duration) -> Option<Duration> {
        let every = self.stall_every_seconds;
        if self.stall_seconds <= 0.0 || every <= 0.0 {
            return None;
        }
        let phase = since.as_secs_f64() % every;
        (phase >= every - self.stall_seconds).then(|| Duration::from_secs_f64(every - phase))
    }

    /// Rejects invalid settings.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fractions =
            [self.fail_entries, self.internal_error, self.reset, self.close, self.lost_answer, self.deliver_twice];
        if !fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)) {
            return Err("fractions are from 0 to 1".into());
        }
        let times = [self.latency_ms, self.jitter_ms, self.stall_seconds, self.stall_every_seconds, self.dedup_seconds];
        if !times.iter().all(|time| (0.0..=1e9).contains(time)) {
            return Err("times are not negative, nor endless".into());
        }
        if self.stall_seconds > 0.0 && self.stall_seconds >= self.stall_every_seconds {
            return Err("stall_seconds must be less than stall_every_seconds".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_the_end_of_each_period() {
        let settings = Settings { stall_seconds: 1.0, stall_every_seconds: 10.0, ..Settings::default() };
        let left = |at: f64| settings.stall_left(Duration::from_secs_f64(at)).map(|left| left.as_millis());
        assert_eq!(
            [left(0.0), left(8.9), left(9.25), left(10.5), left(19.5)],
            [None, None, Some(750), None, Some(500)]
        );
        assert_eq!(Settings::default().stall_left(Duration::from_secs(9)), None);
    }

    #[test]
    fn invalid_fault_settings_are_rejected() {
        let bad = [
            Settings { reset: 1.5, ..Settings::default() },
            Settings { latency_ms: -1.0, ..Settings::default() },
            Settings { stall_seconds: 2.0, stall_every_seconds: 1.0, ..Settings::default() },
            Settings { lost_answer: f64::NAN, ..Settings::default() },
        ];
        assert!(bad.iter().all(|settings| settings.check().is_err()));
        assert_eq!(Settings::default().check(), Ok(()));
    }
}
