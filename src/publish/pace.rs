//! Pacing: when a batch is due, and waiting until then. Owns the rate and the schedule; counts messages, not calls.
//!
//! Open loop: the schedule is fixed by the rate alone and does not wait for answers, so a slow answer shows as latency
//! of what came after it (Tene, "How not to measure latency"; wrk2). The limiter keeps the rate a ceiling all the same:
//! what was missed is made up for at more than the rate for one second's worth at most. Beyond that the run stays
//! behind its schedule, the latencies say so, and so does [`Pacer::behind`].

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// The highest rate that can be asked for, messages a second: the period of one is then a microsecond.
const HIGHEST: f64 = 1e6;
/// The lowest: one message in three hours.
const LOWEST: f64 = 1e-4;
/// How much of what was missed is made up for.
const CATCH_UP: Duration = Duration::from_secs(1);
/// A batch holds at most the messages of this time, so that a low rate is kept evenly.
const BATCH: Duration = Duration::from_millis(100);

/// Messages a second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// Messages a second.
    pub fn per_second(self) -> f64 {
        self.0
    }

    /// Messages a batch may hold at this rate, at least one.
    pub fn batch(self) -> usize {
        ((self.0 * BATCH.as_secs_f64()) as usize).max(1)
    }

    /// The time between two messages, in whole nanoseconds: the limiter and the schedule use the same one.
    fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }

    fn in_time(self, time: Duration) -> u32 {
        (self.0 * time.as_secs_f64()) as u32
    }
}

impl FromStr for Rate {
    type Err = String;

    /// Reads `500/s`, `30000/m`, `1000/h`, or a plain number a second.
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, seconds) = match text.split_once('/') {
            None => (text, 1.0),
            Some((number, "s")) => (number, 1.0),
            Some((number, "m" | "min")) => (number, 60.0),
            Some((number, "h")) => (number, 3_600.0),
            Some(_) => (text, 1.0),
        };
        match number.trim().parse::<f64>() {
            Ok(number) if (LOWEST..=HIGHEST).contains(&(number / seconds)) => Ok(Self(number / seconds)),
            _ => Err("give messages a second or a minute, such as 500/s, 30000/m or 500, up to 1000000/s".into()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// The schedule of a run at a rate. A batch is due when the last of its messages is.
#[derive(Debug)]
pub(super) struct Pacer {
    limiter: DefaultDirectRateLimiter,
    interval: Duration,
    begun: Instant,
    /// Messages let go so far.
    sent: u64,
    /// How far the schedule was put back, because there was nothing to send.
    starved: Duration,
    /// How late the last batch was let go, against the schedule as it was at first.
    behind: Duration,
}

impl Pacer {
    /// A schedule that begins now.
    pub(super) fn new(rate: Rate) -> Self {
        let burst = NonZeroU32::new(rate.in_time(CATCH_UP).max(rate.batch() as u32)).unwrap_or(NonZeroU32::MIN);
        // A period is never zero: the highest rate's is a microsecond.
        let quota = Quota::with_period(rate.interval()).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
        let limiter = RateLimiter::direct(quota);
        if let Some(all_but_one) = NonZeroU32::new(burst.get() - 1) {
            let _ = limiter.check_n(all_but_one); // a run begins with nothing to make up for
        }
        Self {
            limiter,
            interval: rate.interval(),
            begun: Instant::now(),
            sent: 0,
            starved: Duration::ZERO,
            behind: Duration::ZERO,
        }
    }

    /// Waits until a batch of so many messages is due, having waited `starved` for its messages to be there; says when
    /// it was due. Dropped before it is done, it has taken nothing.
    pub(super) async fn admit(&mut self, messages: usize, starved: Duration) -> Instant {
        let last = self.sent + messages as u64 - 1;
        let at_first = self.begun + nanos(self.interval.as_nanos() * u128::from(last));
        let late = Instant::now().saturating_duration_since(at_first + self.starved);
        let put_back = self.starved + late.min(starved);
        let burst = NonZeroU32::new(messages as u32).unwrap_or(NonZeroU32::MIN);
        if self.limiter.until_n_ready(burst).await.is_err() {
            tokio::time::sleep_until((at_first + put_back).into()).await; // more than a second's worth in one batch
        }
        self.sent = last + 1;
        self.behind = Instant::now().saturating_duration_since(at_first);
        // The limiter makes up for a late start: the schedule is then put back by less, or a batch would be due after it left.
        self.starved = put_back.min(self.behind);
        at_first + self.starved
    }

    /// How late the last batch was let go.
    pub(super) fn behind(&self) -> Duration {
        self.behind
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn rates_are_read_by_the_second_minute_and_hour() {
        let cases =
            [("500/s", 500.0), ("30000/m", 500.0), ("3600/h", 1.0), ("500", 500.0), ("0.5", 0.5), ("60/min", 1.0)];
        for (text, per_second) in cases {
            assert!((rate(text).per_second() - per_second).abs() < 1e-9, "{text}");
        }
        for text in ["", "0", "-1", "x", "5/d", "5/", "/s", "NaN", "inf", "2000000/s", "5 m"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("500/s"), "{text}");
        }
    }

    #[test]
    fn a_batch_holds_a_tenth_of_a_second_at_most() {
        assert_eq!(["1/s", "50/s", "500/s"].map(|text| rate(text).batch()), [1, 5, 50]);
    }

    #[tokio::test]
    async fn the_rate_is_kept_from_the_first_message_on() {
        let mut pacer = Pacer::new(rate("500/s"));
        let begun = Instant::now();
        for _ in 0..15 {
            pacer.admit(10, Duration::ZERO).await;
        }
        let took = begun.elapsed(); // the last of 150 messages is due at 149 × 2 ms
        assert!((Duration::from_millis(297)..Duration::from_millis(400)).contains(&took), "{took:?}");
    }

    #[tokio::test]
    async fn what_was_missed_is_made_up_for_and_latency_counts_from_when_it_was_due() {
        let mut pacer = Pacer::new(rate("1000/s"));
        pacer.admit(10, Duration::ZERO).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let begun = Instant::now();
        let due = pacer.admit(10, Duration::ZERO).await;
        assert!(begun - due > Duration::from_millis(150), "{:?}", begun - due);
        for _ in 0..15 {
            pacer.admit(10, Duration::ZERO).await;
        }
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn no_batch_is_due_after_it_was_let_go() {
        let mut pacer = Pacer::new(rate("1000/s"));
        pacer.admit(10, Duration::ZERO).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..20 {
            let due = pacer.admit(10, Duration::from_millis(100)).await;
            assert!(due <= Instant::now(), "{:?} early", due - Instant::now());
        }
    }

    #[tokio::test]
    async fn a_schedule_without_messages_is_put_back() {
        let mut pacer = Pacer::new(rate("1000/s"));
        pacer.admit(10, Duration::ZERO).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let due = pacer.admit(10, Duration::from_millis(200)).await;
        assert!(due.elapsed() < Duration::from_millis(50), "the topic is not to blame: {:?}", due.elapsed());
        assert!(pacer.behind() > Duration::from_millis(150), "{:?}", pacer.behind());
    }
}
