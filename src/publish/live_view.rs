//! The view of a run under way: rate offered and achieved, latencies, errors by kind, and a small histogram.

use std::time::{Duration, Instant};

use super::schedule::Schedule;
use super::telemetry::Telemetry;
use super::{Count, Interval, Outcome};
use crate::outcome::count;
use crate::progress::{LiveDisplay, Progress};

/// Lines of the view.
const LINES: usize = 5;
/// What a share of all looks like, from none to most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What is so at this moment, and is counted nowhere else.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LiveStats {
    /// Batches.
    pub in_flight: usize,
    /// The limit that throttling has set, messages a second.
    pub limit: Option<f64>,
    /// Readings watched, and those of them that have arrived.
    pub arrived: Option<(u64, u64)>,
}

/// The view.
#[derive(Debug)]
pub(super) struct LiveView {
    board: LiveDisplay,
    started: Instant,
    next: Instant,
    schedule: String,
    read: u64,
}

impl LiveView {
    pub(super) fn new(progress: &Progress, schedule: &Schedule) -> Self {
        let (board, now) = (progress.board(LINES), Instant::now());
        let next = now + board.every().unwrap_or_default();
        Self { board, started: now, next, schedule: schedule.to_string(), read: 0 }
    }

    /// So many messages more were read.
    pub(super) fn add(&mut self, messages: u64) {
        self.read += messages;
    }

    /// Returns when the view is to be drawn anew; never where nobody looks.
    pub(super) async fn tick(&mut self) {
        match self.board.every() {
            Some(every) => {
                tokio::time::sleep_until(self.next.into()).await;
                self.next = Instant::now() + every;
            }
            None => std::future::pending().await,
        }
    }

    /// Draws it.
    pub(super) fn show(&mut self, telemetry: &Telemetry, outcome: &Outcome, now: &LiveStats) {
        let lines = self.lines(telemetry, outcome, now);
        self.board.write(&lines);
    }

    fn lines(&self, telemetry: &Telemetry, outcome: &Outcome, now: &LiveStats) -> Vec<String> {
        let all = self.started.elapsed();
        let first = format!(
            "publish      {} of {} read in {}, {}",
            count(outcome.counts[Count::Published]),
            count(self.read),
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

    /// Takes the view away.
    pub(super) fn finish(&self) {
        self.board.finish();
    }
}

fn seconds(time: Duration) -> String {
    crate::outcome::duration(time.as_secs_f64())
}

/// The last second.
fn rates(last: &Interval, now: &LiveStats) -> String {
    let a_second = |messages: u64| messages as f64 / last.seconds.max(1e-3);
    let latency = last.latency_ms;
    let in_flight = now.in_flight;
    let limit = now.limit.map_or(String::new(), |limit| format!(", throttled to {limit:.0}/s"));
    format!(
        "  now        {:.0}/s offered, {:.0}/s achieved, p50 {:.1} ms, p99 {:.1} ms, {in_flight} in flight{limit}",
        a_second(last.offered),
        a_second(last.published),
        latency.p50,
        latency.p99,
    )
}

/// Latencies of the run so far, each mark twice as long as the one before it.
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
    format!("  latency    {low:.1} ms {bars} {high:.0} ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::telemetry::Counts;

    #[test]
    fn the_view_tells_what_is_offered_achieved_and_wrong() {
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
        assert!(lines[0].starts_with("publish      90 of 0 read in ") && lines[0].ends_with("100/s"), "{lines:?}");
        assert!(lines[1].contains("100/s offered, 90/s achieved, p50 4"), "{lines:?}");
        assert!(lines[1].contains("7 in flight, throttled to 70/s"), "{lines:?}");
        assert_eq!(lines[2], "  errors     Throttling 1,234, dropped 10");
        assert!(lines[3].contains("1.0 ms") && lines[3].contains('█') && lines[3].ends_with("131 ms"), "{lines:?}");
        assert_eq!(lines[4], "  warehouse  81 of 90 arrived");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(histogram(&[(1.0, 0)]), "");
        assert_eq!(histogram(&Telemetry::new().spread()), "");
    }
}
