//! Adaptive limit on a client's concurrent requests: unlimited until the store requests a slowdown, then as many as the
//! store serves.
//!
//! A single rejection means little: a store that splits a partition rejects a share of the requests at any rate. So the
//! limiter evaluates the share of rejections per second and the effect of a lower limit. If a lower limit reduces
//! throughput and the share of rejections stays, concurrency was not the cause, and the limit is restored.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::lake::ThrottleStats;

/// Interval between evaluations of the limit.
const WINDOW: Duration = Duration::from_secs(1);

/// Share of rejected requests that is tolerated; retries with short backoffs handle them.
const TOLERATED: f64 = 0.15;

/// Factor applied to the limit if the store rejects more than the tolerated share.
const CUT: f64 = 0.7;

/// Minimum limit.
const FLOOR: f64 = 4.0;

/// Number of windows without another cut after a cut that did not help.
const HOLD: u32 = 10;

/// Counts requests and enforces the limit.
#[derive(Debug, Default)]
pub(super) struct ConcurrencyLimiter {
    in_flight: AtomicUsize,
    /// False until the first rejection; until then a request costs two additions.
    watching: AtomicBool,
    control: Mutex<Option<AdaptiveLimit>>,
    free: Notify,
    slow_downs: AtomicU64,
    retries: AtomicU64,
    /// The lowest limit so far; 0 if there was none.
    lowest: AtomicU64,
}

/// A request in progress.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a ConcurrencyLimiter);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.0.watching.load(Ordering::SeqCst) {
            self.0.free.notify_one();
        }
    }
}

impl ConcurrencyLimiter {
    /// Waits until another request may start.
    pub(super) async fn acquire(&self) -> Permit<'_> {
        if !self.watching.load(Ordering::SeqCst) && self.try_enter() {
            return Permit(self);
        }
        loop {
            let mut free = std::pin::pin!(self.free.notified());
            free.as_mut().enable();
            if self.try_enter() {
                return Permit(self);
            }
            free.await;
        }
    }

    fn try_enter(&self) -> bool {
        if !self.watching.load(Ordering::SeqCst) {
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            return true;
        }
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = control.as_ref().and_then(|control| control.limit);
        #[allow(clippy::cast_precision_loss, reason = "a count of requests under way")]
        let may = limit.is_none_or(|limit| (self.in_flight.load(Ordering::SeqCst) as f64) < limit);
        if may {
            self.in_flight.fetch_add(1, Ordering::SeqCst);
        }
        may
    }

    /// Records a response, and whether it requested a slowdown.
    pub(super) fn record_response(&self, slow_down: bool) {
        if slow_down {
            self.slow_downs.fetch_add(1, Ordering::Relaxed);
        } else if !self.watching.load(Ordering::SeqCst) {
            return;
        }
        let now = Instant::now();
        let flying = self.in_flight.load(Ordering::SeqCst);
        let mut held = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let control = held.get_or_insert_with(|| AdaptiveLimit::new(now));
        self.watching.store(true, Ordering::SeqCst);
        control.count(slow_down, flying);
        if now.duration_since(control.since) < WINDOW {
            return;
        }
        if control.end_window(now) {
            if let Some(limit) = control.limit {
                self.note(limit);
            }
        } else {
            *held = None;
            self.watching.store(false, Ordering::SeqCst);
        }
        self.free.notify_waiters();
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a limit is a small positive number")]
    fn note(&self, limit: f64) {
        let lowest = self.lowest.load(Ordering::Relaxed);
        if lowest == 0 || (limit as u64) < lowest {
            self.lowest.store(limit as u64, Ordering::Relaxed);
        }
    }

    /// Records a retry.
    pub(super) fn record_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns true if rejections are few enough for short backoffs.
    pub(super) fn is_calm(&self) -> bool {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        control.as_ref().is_none_or(AdaptiveLimit::is_calm)
    }

    /// Returns the throttle statistics so far.
    pub(super) fn throttle_stats(&self) -> ThrottleStats {
        let lowest = self.lowest.load(Ordering::Relaxed);
        ThrottleStats {
            slow_downs: self.slow_downs.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            min_concurrency: (lowest > 0).then_some(lowest),
        }
    }
}

/// The limit and the data it is computed from. Pure, except for the instants passed in.
#[derive(Debug)]
struct AdaptiveLimit {
    since: Instant,
    served: f64,
    refused: f64,
    /// Highest number of concurrent requests since the limiter started to watch.
    peak: f64,
    /// `None` if requests are not limited.
    limit: Option<f64>,
    /// State before the last cut: the limit, and the successful requests per second.
    before: Option<(f64, f64)>,
    hold: u32,
    share: f64,
}

impl AdaptiveLimit {
    fn new(now: Instant) -> Self {
        let (served, refused, peak, share) = (0.0, 0.0, 0.0, 0.0);
        Self { since: now, served, refused, peak, limit: None, before: None, hold: 0, share }
    }

    #[allow(clippy::cast_precision_loss, reason = "a count of requests under way")]
    fn count(&mut self, refused: bool, flying: usize) {
        *(if refused { &mut self.refused } else { &mut self.served }) += 1.0;
        self.peak = self.peak.max(flying as f64);
    }

    fn is_calm(&self) -> bool {
        self.share <= TOLERATED && self.refused <= 2.0 * TOLERATED * (self.served + self.refused).max(50.0)
    }

    /// Ends a window; returns false if there is nothing left to watch.
    fn end_window(&mut self, now: Instant) -> bool {
        let seconds = now.duration_since(self.since).as_secs_f64().max(f64::EPSILON);
        let rate = self.served / seconds;
        self.share = self.refused / (self.served + self.refused).max(1.0);
        let quiet = self.refused == 0.0;
        (self.since, self.served, self.refused) = (now, 0.0, 0.0);
        if self.share <= TOLERATED {
            self.before = None;
            self.limit = self.limit.map(|limit| limit * 1.05 + 1.0).filter(|limit| *limit < self.peak);
            return !(quiet && self.limit.is_none());
        }
        match self.before {
            // Throughput falls with the limit and many requests are still rejected, so concurrency is not the cause.
            Some((limit, served)) if rate < served * (1.0 + CUT) / 2.0 && rate > 0.0 => {
                (self.limit, self.before, self.hold) = (Some(limit).filter(|limit| *limit < self.peak), None, HOLD);
            }
            _ if self.hold > 0 => self.hold -= 1,
            _ => {
                let limit = self.limit.unwrap_or(self.peak);
                self.before = Some((limit, rate));
                self.limit = Some((limit * CUT).max(FLOOR));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates a client with unlimited work for `seconds`, at 20 ms per request. Returns the limit of each second.
    fn play(seconds: u32, workers: f64, answer: impl Fn(f64) -> (f64, f64)) -> Vec<f64> {
        let started = Instant::now();
        let mut control = AdaptiveLimit::new(started);
        (1..=seconds)
            .map(|second| {
                let flying = control.limit.unwrap_or(workers).min(workers);
                control.peak = control.peak.max(flying);
                (control.served, control.refused) = answer(flying * 50.0);
                if !control.end_window(started + Duration::from_secs(second.into())) {
                    control = AdaptiveLimit::new(started + Duration::from_secs(second.into()));
                }
                control.limit.unwrap_or(workers).min(workers)
            })
            .collect()
    }

    #[test]
    fn random_rejections_do_not_reduce_the_goodput() {
        for share in [0.1, 0.3] {
            let limits = play(300, 256.0, |requested| (requested * (1.0 - share), requested * share));
            let mean = limits.iter().sum::<f64>() / 300.0;
            assert!(mean > 0.9 * 256.0, "{share}: {mean}");
        }
    }

    #[test]
    fn requests_exceed_the_capacity_of_a_store_only_slightly() {
        let limits = play(300, 256.0, |requested| (requested.min(1_000.0), (requested - 1_000.0).max(0.0)));
        let stable = &limits[60..];
        assert!(stable.iter().all(|limit| (14.0..=40.0).contains(limit)), "{stable:?}"); // 20 × 50 = 1,000
    }

    #[test]
    fn it_increases_when_the_store_recovers_and_stays_above_the_minimum() {
        let down = play(60, 256.0, |requested| (0.0, requested));
        assert!(down.iter().all(|limit| *limit >= FLOOR), "{down:?}");
        let recovering = std::cell::Cell::new(0);
        let limits = play(120, 256.0, |requested| {
            recovering.set(recovering.get() + 1);
            if recovering.get() < 20 { (requested.min(500.0), (requested - 500.0).max(0.0)) } else { (requested, 0.0) }
        });
        assert!(limits[18] < 30.0 && limits[119] >= 256.0, "{limits:?}");
    }

    #[tokio::test]
    async fn the_limit_is_respected_and_waiting_requests_continue() {
        let limiter = std::sync::Arc::new(ConcurrencyLimiter::default());
        let mut control = AdaptiveLimit::new(Instant::now());
        control.limit = Some(FLOOR);
        *limiter.control.lock().unwrap() = Some(control);
        limiter.watching.store(true, Ordering::SeqCst);
        let max = std::sync::Arc::new(AtomicUsize::new(0));
        let tasks = (0..40).map(|_| {
            let (limiter, most) = (std::sync::Arc::clone(&limiter), std::sync::Arc::clone(&max));
            tokio::spawn(async move {
                let _permit = limiter.acquire().await;
                most.fetch_max(limiter.in_flight.load(Ordering::SeqCst), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
            })
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
        }
        assert_eq!(max.load(Ordering::SeqCst), 4);
        assert_eq!(limiter.in_flight.load(Ordering::SeqCst), 0);
    }
}
