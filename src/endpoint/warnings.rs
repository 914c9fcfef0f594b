//! Warnings about requests, limited in number: anyone who reaches the endpoint can cause them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use enum_map::{Enum, EnumMap};

/// Maximum number of warnings of one kind per period.
const MAX: u64 = 5;

/// The period.
const PERIOD: Duration = Duration::from_secs(10);

/// Kind of warning; each has its own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum Warning {
    /// A connection could not be accepted.
    Accept,
    /// Connections were closed because there were too many.
    Connections,
    /// A certificate could not be obtained.
    Certificate,
    /// A request was rejected permanently.
    Rejected,
    /// A request was rejected, to be retried later.
    Deferred,
    /// A message of a topic that is not accepted.
    Topic,
    /// A subscription could not be confirmed, or has ended.
    Subscription,
    /// A message with an old timestamp.
    Age,
}

/// Warnings of one kind in the current period.
#[derive(Debug, Default)]
struct Window {
    started: Option<Instant>,
    logged: u64,
    omitted: u64,
}

/// Decision about a warning: which texts to log.
#[derive(Debug, PartialEq, Eq)]
struct Decision {
    /// Warnings of the last period that were not logged.
    omitted: u64,
    is_logged: bool,
}

impl Window {
    fn decide(&mut self, now: Instant) -> Decision {
        let mut omitted = 0;
        if self.started.is_none_or(|started| now.saturating_duration_since(started) >= PERIOD) {
            omitted = std::mem::take(self).omitted;
            self.started = Some(now);
        }
        let is_logged = self.logged < MAX;
        if is_logged {
            self.logged += 1
        } else {
            self.omitted += 1
        }
        Decision { omitted, is_logged }
    }
}

/// Logs warnings, a few of each kind per period, and the number of the others.
#[derive(Debug, Default)]
pub(super) struct Warnings(EnumMap<Warning, Mutex<Window>>);

impl Warnings {
    /// Logs a warning unless there were too many of its kind.
    pub(super) fn log(&self, kind: Warning, text: impl FnOnce() -> String) {
        let window = || self.0[kind].lock().unwrap_or_else(PoisonError::into_inner);
        let Decision { omitted, is_logged } = window().decide(Instant::now());
        log_omitted(kind, omitted);
        if is_logged {
            tracing::warn!("{}", text());
        }
    }

    /// Logs the numbers of warnings that were not logged yet.
    pub(super) fn finish(&self) {
        for (kind, window) in &self.0 {
            let omitted = std::mem::take(&mut window.lock().unwrap_or_else(PoisonError::into_inner).omitted);
            log_omitted(kind, omitted);
        }
    }
}

fn log_omitted(kind: Warning, omitted: u64) {
    if omitted > 0 {
        tracing::warn!("{omitted} more warnings like the last ones were not logged ({kind:?})");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_warnings_of_a_period_are_logged_and_the_others_are_counted() {
        let (mut window, start) = (Window::default(), Instant::now());
        let logged = (0..1_000).filter(|_| window.decide(start).is_logged).count();
        assert_eq!((logged as u64, window.omitted), (MAX, 1_000 - MAX));
        assert_eq!(window.decide(start + PERIOD), Decision { omitted: 1_000 - MAX, is_logged: true });
        assert_eq!(window.decide(start + PERIOD * 2), Decision { omitted: 0, is_logged: true });
    }
}
