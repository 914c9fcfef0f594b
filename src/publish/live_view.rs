//! The live view of a run: offered and achieved rate, latencies, errors by code, and a small histogram.

use std::time::{Duration, Instant};

use super::schedule::Schedule;
use super::telemetry::Telemetry;
use super::{Count, Interval, Outcome, Source, estimate};
use crate::charset;
use crate::outcome::{count, counted, millis, rate};
use crate::progress::{LiveDisplay, Progress};

/// Bar characters of the histogram, from the lowest to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Current values that no counter contains.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LiveStats {
    /// Batches in flight.
    pub in_flight: usize,
    /// Rate limit set by throttling, in messages per second; `None` if there is none.
    pub limit: Option<f64>,
    /// Readings watched in the warehouse, and how many of them have arrived; `None` if the warehouse is not watched.
    pub arrived: Option<(u64, u64)>,
}

/// The live view.
#[derive(Debug)]
pub(super) struct LiveView {
    display: LiveDisplay,
    started: Instant,
    next: Instant,
    schedule: String,
    read: u64,
    /// Number of messages of the source, as text: exact or `about N`; empty if unknown.
    total: String,
}

impl LiveView {
    pub(super) fn new(progress: &Progress, schedule: &Schedule) -> Self {
        let (display, now) = (progress.live_display(), Instant::now());
        let next = now + display.every().unwrap_or_default();
        Self { display, started: now, next, schedule: schedule.to_string(), read: 0, total: String::new() }
    }

    /// Sets the approximate number of messages of the source, if it can be known.
    pub(super) fn expect(&mut self, source: &Source) {
        if self.display.every().is_some() {
            let about = estimate::messages(source).map(|all| format!(" of about {}", count(all)));
            self.total = about.unwrap_or_default();
        }
    }

    /// Adds `messages` to the number of messages read.
    pub(super) fn add(&mut self, messages: u64) {
        self.read += messages;
    }

    /// Returns when the view must be redrawn; never if there is no display.
    pub(super) async fn tick(&mut self) {
        match self.display.every() {
            Some(every) => {
                tokio::time::sleep_until(self.next.into()).await;
                self.next = Instant::now() + every;
            }
            None => std::future::pending().await,
        }
    }

    /// Draws the view.
    pub(super) fn show(&mut self, telemetry: &Telemetry, outcome: &Outcome, now: &LiveStats) {
        let lines = self.lines(telemetry, outcome, now);
        self.display.write(&lines);
    }

    fn lines(&self, telemetry: &Telemetry, outcome: &Outcome, now: &LiveStats) -> Vec<String> {
        let all = self.started.elapsed();
        let first = format!(
            "publish      {} published, {} read{} in {}, {}",
            count(outcome.counts[Count::Published]),
            count(self.read),
            self.total,
            seconds(all),
            self.schedule
        );
        let second = telemetry.latest().map_or(String::new(), |last| rates(&last, now));
        let mut bad: Vec<String> =
            outcome.errors.iter().map(|(code, times)| format!("{code} {}", count(*times))).collect();
        for (what, number) in [
            ("failed", outcome.counts[Count::Failed]),
            ("dropped", outcome.counts[Count::Dropped]),
            ("invalid", outcome.counts[Count::Invalid]),
        ] {
            if number > 0 {
                bad.push(format!("{what} {}", count(number)));
            }
        }
        let third = if bad.is_empty() { String::new() } else { format!("  errors     {}", bad.join(", ")) };
        let fifth = now.arrived.map_or(String::new(), |(watched, arrived)| {
            format!("  warehouse  {} of {} arrived", count(arrived), count(watched))
        });
        vec![first, second, third, histogram(&telemetry.spread()), fifth]
    }
}

fn seconds(time: Duration) -> String {
    crate::outcome::duration(time.as_secs_f64())
}

/// Formats the rates and latencies of the last interval.
fn rates(last: &Interval, now: &LiveStats) -> String {
    let a_second = |messages: u64| messages as f64 / last.seconds.max(1e-3);
    let latency = last.latency_ms;
    let in_flight = now.in_flight;
    let limit = now.limit.map_or(String::new(), |limit| format!(", throttled to {}", rate(limit)));
    format!(
        "  now        {} due, {} published, p50 {}, p99 {}, {} in flight{limit}",
        rate(a_second(last.offered)),
        rate(a_second(last.published)),
        millis(latency.p50),
        millis(latency.p99),
        counted(in_flight as u64, "batch", "batches"),
    )
}

/// Formats the latencies of the run so far as bars; each bucket is twice as wide as the one before it.
fn histogram(spread: &[(f64, u64)]) -> String {
    let max = spread.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let (Some((low, _)), Some((high, _)), true) = (spread.first(), spread.last(), max > 0) else {
        return String::new();
    };
    let bar = |&(_, count): &(f64, u64)| match count {
        0 => ' ',
        count => BARS[((count as f64 / max as f64) * (BARS.len() - 1) as f64).ceil() as usize],
    };
    let bars: String = spread.iter().map(bar).collect();
    format!("  latency    {} {} {}", millis(*low), charset::shown(&bars), millis(*high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::telemetry::Counts;

    #[test]
    fn the_view_shows_offered_and_achieved_rates_and_errors() {
        let mut telemetry = Telemetry::new();
        let live = LiveView::new(&Progress::Silent, &Schedule::Rate("100/s".parse().unwrap()));
        let at = Instant::now() - Duration::from_millis(1);
        telemetry.count(at, Counts { offered: 100, ..Counts::default() });
        for n in 1..=90 {
            telemetry.published(at, Duration::from_millis(n), Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(1_010));
        let mut outcome =
            Outcome { counts: [(Count::Published, 90), (Count::Dropped, 10)].into(), ..Outcome::default() };
        outcome.errors.insert("Throttling".into(), 1_234);
        let lines =
            live.lines(&telemetry, &outcome, &LiveStats { in_flight: 7, limit: Some(70.0), arrived: Some((90, 81)) });
        assert!(
            lines[0].starts_with("publish      90 published, 0 read in ") && lines[0].ends_with("100/s"),
            "{lines:?}"
        );
        assert!(lines[1].contains("100/s due, 90/s published, p50 4"), "{lines:?}");
        assert!(lines[1].contains("7 batches in flight, throttled to 70/s"), "{lines:?}");
        assert_eq!(lines[2], "  errors     Throttling 1,234, dropped 10");
        assert!(
            lines[3].contains("1.02 ms") && lines[3].contains(&*charset::shown("█")) && lines[3].ends_with("131 ms"),
            "{lines:?}"
        );
        assert_eq!(lines[4], "  warehouse  81 of 90 arrived");
    }

    #[test]
    fn an_empty_histogram_is_not_drawn() {
        assert_eq!(histogram(&[(1.0, 0)]), "");
        assert_eq!(histogram(&Telemetry::new().spread()), "");
    }
}
