//! Backing off under throttling: a limit to messages a second that comes with the first refusal for being too fast, falls with
//! each further one, and goes away again by and by.
//!
//! Additive increase, multiplicative decrease, as TCP has it (RFC 5681) and as the SDKs' adaptive retry mode does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is left of the rate after a refusal.
const CUT: f64 = 0.7;
/// Refusals within this time are one: they were under way together.
const TOGETHER: Duration = Duration::from_millis(500);
/// How much of the rate at the first refusal comes back a second.
const BACK: f64 = 0.05;
/// The limit goes away above so many times the rate at which refusals began.
const FREE: f64 = 1.5;
/// No limit is lower, messages a second.
const LOWEST: f64 = 5.0;
/// How far back the rate so far is looked at.
const WINDOW: Duration = Duration::from_secs(1);

/// The limit, shared by all batches of a run.
#[derive(Debug)]
pub(super) struct AdaptiveRateLimiter(Mutex<State>);

#[derive(Debug)]
struct State {
    limit: Option<Limit>,
    /// Messages let go since then, for the rate so far.
    since: Instant,
    sent: u64,
    /// The rate of the window before.
    rate: f64,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    rate: f64,
    /// The rate at the first refusal.
    first: f64,
    /// When the next message may go.
    next: Instant,
    /// When it was last cut, and when last raised.
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

    /// The instant from which so many messages may go; takes them from the limit.
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

    /// The topic refused for being asked too fast; true where the limit was cut.
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

    /// The limit now, messages a second.
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
    fn nothing_waits_until_something_was_refused() {
        let throttle = AdaptiveRateLimiter::new();
        for _ in 0..1_000 {
            assert!(throttle.reserve(10) <= Instant::now());
        }
        assert_eq!(throttle.limit(), None);
    }

    #[test]
    fn a_refusal_cuts_the_rate_once_for_all_that_were_under_way() {
        let throttle = AdaptiveRateLimiter::new();
        std::thread::sleep(Duration::from_millis(100));
        throttle.reserve(1_000); // some 10,000 a second so far
        assert_eq!([throttle.on_throttled(), throttle.on_throttled()], [true, false]);
        let limit = throttle.limit().unwrap();
        assert!((3_000.0..7_100.0).contains(&limit), "{limit}");
        // A batch waits for the one before it.
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
    fn a_limit_goes_away_when_it_is_no_longer_met() {
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
