//! Adaptive rate limit under throttling. It starts at the first throttling error, is reduced by each further one, and
//! is lifted gradually.
//!
//! Additive increase, multiplicative decrease, as in TCP (RFC 5681) and the adaptive retry mode of the AWS SDKs.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Factor applied to the rate at each throttling error.
const CUT: f64 = 0.7;
/// Throttling errors within this time count as one, because their requests were in flight together.
const TOGETHER: Duration = Duration::from_millis(500);
/// Recovery per second, as a fraction of the rate at the first throttling error.
const BACK: f64 = 0.05;
/// The limit is lifted above this multiple of the rate at the first throttling error.
const FREE: f64 = 1.5;
/// Minimum limit, in messages per second.
const LOWEST: f64 = 5.0;
/// Window over which the current rate is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// The rate limit, shared by all batches of a run.
#[derive(Debug)]
pub(super) struct AdaptiveRateLimiter(Mutex<State>);

#[derive(Debug)]
struct State {
    limit: Option<Limit>,
    /// Start of the measuring window; `sent` counts the messages since then.
    since: Instant,
    sent: u64,
    /// Rate of the previous window, in messages per second.
    rate: f64,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    rate: f64,
    /// Rate at the first throttling error.
    first: f64,
    /// When the next message may be sent.
    next: Instant,
    /// When the limit was last reduced, and last raised.
    cut: Instant,
    raised: Instant,
}

impl AdaptiveRateLimiter {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { limit: None, since: Instant::now(), sent: 0, rate: 0.0 }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves `messages` under the limit and returns when they may be sent.
    pub(super) fn reserve(&self, messages: usize) -> Instant {
        let (mut state, now) = (self.state(), Instant::now());
        state.count(now, messages as u64);
        let Some(mut limit) = state.limit else { return now };
        limit.rate += limit.first * BACK * now.saturating_duration_since(limit.raised).as_secs_f64();
        limit.raised = now;
        if limit.rate > limit.first * FREE {
            state.limit = None;
            return now;
        }
        let at = limit.next.max(now);
        limit.next = at + Duration::from_secs_f64(messages as f64 / limit.rate);
        state.limit = Some(limit);
        at
    }

    /// Records a throttling error. Returns true if the limit was reduced.
    pub(super) fn on_throttled(&self) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        state.count(now, 0);
        match &mut state.limit {
            Some(limit) if now.saturating_duration_since(limit.cut) < TOGETHER => return false,
            Some(limit) => {
                limit.rate = (limit.rate * CUT).max(LOWEST);
                (limit.cut, limit.raised) = (now, now);
            }
            None => {
                let so_far = state.sent as f64 / now.saturating_duration_since(state.since).as_secs_f64().max(0.1);
                let first = state.rate.max(so_far).max(LOWEST / CUT);
                state.limit = Some(Limit { rate: first * CUT, first, next: now, cut: now, raised: now });
            }
        }
        true
    }

    /// Returns the current limit in messages per second; `None` if there is none.
    pub(super) fn limit(&self) -> Option<f64> {
        self.state().limit.map(|limit| limit.rate)
    }
}

impl State {
    fn count(&mut self, now: Instant, messages: u64) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            self.rate = self.sent as f64 / passed.as_secs_f64();
            (self.since, self.sent) = (now, 0);
        }
        self.sent += messages;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_before_the_first_throttling_error() {
        let throttle = AdaptiveRateLimiter::new();
        for _ in 0..1_000 {
            assert!(throttle.reserve(10) <= Instant::now());
        }
        assert_eq!(throttle.limit(), None);
    }

    #[test]
    fn concurrent_throttling_errors_reduce_the_rate_once() {
        let throttle = AdaptiveRateLimiter::new();
        std::thread::sleep(Duration::from_millis(100));
        throttle.reserve(1_000); // about 10,000 per second so far
        assert_eq!([throttle.on_throttled(), throttle.on_throttled()], [true, false]);
        let limit = throttle.limit().unwrap();
        assert!((3_000.0..7_100.0).contains(&limit), "{limit}");
        // The second batch waits for the first.
        let (first, second) = (throttle.reserve(100), throttle.reserve(100));
        let distance = (second - first).as_secs_f64();
        assert!((distance * limit / 100.0 - 1.0).abs() < 0.1, "{distance}");
    }

    #[test]
    fn a_limit_never_stops_a_run() {
        let throttle = AdaptiveRateLimiter::new();
        for _ in 0..3 {
            throttle.on_throttled();
            if let Some(limit) = &mut throttle.state().limit {
                limit.cut -= TOGETHER;
            }
        }
        assert!(throttle.limit() >= Some(LOWEST));
    }

    #[test]
    fn a_limit_is_lifted_after_a_while_without_throttling() {
        let throttle = AdaptiveRateLimiter::new();
        throttle.on_throttled();
        let back = |throttle: &AdaptiveRateLimiter, seconds| {
            if let Some(limit) = &mut throttle.state().limit {
                limit.raised -= Duration::from_secs(seconds);
            }
            throttle.reserve(1);
            throttle.limit()
        };
        let (first, later) = (throttle.limit().unwrap(), back(&throttle, 2).unwrap());
        assert!(later > first);
        assert_eq!(back(&throttle, 30), None);
    }
}
