//! One stage of a run: its count, its rate, and its line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::display::{Display, Draw};
use super::{EVERY, Progress};
use crate::charset;
use crate::outcome::{count, duration, rate};

/// Interval over which the rate is measured.
const SAMPLE: Duration = Duration::from_millis(500);
/// Weight of a new sample in the rate.
const WEIGHT: f64 = 0.3;
/// Width of a stage's name.
const NAME: usize = 12;
/// Minimum and maximum length of a bar.
const BAR: (usize, usize) = (8, 30);

/// One stage of a run. Clones share their count, and dropping the last one removes the bar.
#[derive(Debug, Clone)]
pub struct Stage(Arc<Handle>);

/// Removes the line of a stage when it is dropped.
#[derive(Debug)]
struct Handle {
    data: Arc<Data>,
    /// The display and the number of the stage in it.
    display: Option<(Arc<Display>, u64)>,
    /// Whether progress is logged.
    logs: bool,
    last_logged: Mutex<Instant>,
}

/// State of a stage, shared with the display.
#[derive(Debug)]
struct Data {
    name: &'static str,
    unit: &'static str,
    done: AtomicU64,
    total: Option<u64>,
    /// Fraction of the work done, in millionths, for stages whose number of steps is unknown.
    share: AtomicU64,
    started_at: Instant,
    /// What the stage waits for; `None` if it does not wait.
    waiting: Mutex<Option<String>>,
    rate: Mutex<Rate>,
}

/// Smoothed rate of the recent steps.
#[derive(Debug)]
struct Rate {
    at: Instant,
    done: u64,
    per_second: Option<f64>,
}

/// Content of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    /// Without the rate, for narrow terminals.
    Short,
}

impl Stage {
    pub(super) fn new(progress: &Progress, name: &'static str, unit: &'static str, total: Option<u64>) -> Self {
        let now = Instant::now();
        let data = Arc::new(Data {
            name,
            unit,
            done: AtomicU64::new(0),
            total,
            share: AtomicU64::new(0),
            started_at: now,
            waiting: Mutex::default(),
            rate: Mutex::new(Rate { at: now, done: 0, per_second: None }),
        });
        let display = match progress {
            Progress::Bars(display) => Some((Arc::clone(display), display.add(Arc::clone(&data) as Arc<dyn Draw>))),
            Progress::Silent | Progress::Lines => None,
        };
        let logs = matches!(progress, Progress::Lines);
        Self(Arc::new(Handle { data, display, logs, last_logged: Mutex::new(now) }))
    }

    /// Adds `steps` completed steps.
    pub fn add(&self, steps: u64) {
        self.0.data.done.fetch_add(steps, Ordering::Relaxed);
        self.0.log_if_due();
    }

    /// Sets what the stage waits for, shown instead of the remaining time; `None` if it does not wait.
    pub fn waiting(&self, reason: Option<&str>) {
        let mut waiting = self.0.data.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.as_deref() != reason {
            *waiting = reason.map(str::to_owned);
            return;
        }
        drop(waiting);
        if reason.is_some() {
            self.0.log_if_due();
        }
    }

    /// Sets the fraction of the work done, 0 to 1, to show the remaining time of stages whose number of steps is
    /// unknown.
    pub fn set_fraction(&self, done: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1")]
        self.0.data.share.store((done.clamp(0.0, 1.0) * 1e6) as u64, Ordering::Relaxed);
    }

    /// Ends the stage and removes its bar.
    pub fn finish(self) {
        self.0.remove();
    }
}

impl Handle {
    fn remove(&self) {
        if let Some((display, number)) = &self.display {
            display.remove(*number);
        }
    }

    fn log_if_due(&self) {
        if !self.logs {
            return;
        }
        let Ok(mut last) = self.last_logged.try_lock() else { return };
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            tracing::info!(target: "progress", "{}: {}", self.data.name, self.data.details(Detail::Full));
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Data {
    /// Returns the fraction of the work done; `None` if it is unknown.
    fn fraction(&self) -> Option<f64> {
        let done = self.done.load(Ordering::Relaxed) as f64;
        match (self.share.load(Ordering::Relaxed), self.total) {
            (0, None) => None,
            (0, Some(total)) => Some(if total == 0 { 1.0 } else { (done / total as f64).min(1.0) }),
            (share, _) => Some(share as f64 / 1e6),
        }
    }

    /// Returns the recent rate, in steps per second.
    fn per_second(&self) -> f64 {
        let done = self.done.load(Ordering::Relaxed);
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = rate.at.elapsed();
        if passed >= SAMPLE {
            let sample = (done - rate.done) as f64 / passed.as_secs_f64();
            let smoothed = rate.per_second.map_or(sample, |before| before * (1.0 - WEIGHT) + sample * WEIGHT);
            *rate = Rate { at: Instant::now(), done, per_second: Some(smoothed) };
        }
        rate.per_second.unwrap_or_else(|| done as f64 / self.started_at.elapsed().as_secs_f64().max(1e-3))
    }

    /// Returns the count, the rate, and the remaining time or what the stage waits for.
    fn details(&self, detail: Detail) -> String {
        let (done, elapsed) = (self.done.load(Ordering::Relaxed), self.started_at.elapsed().as_secs_f64());
        let mut details = match self.total {
            Some(total) => format!("{} of {} {}", count(done), count(total), self.unit),
            None => format!("{} {}", count(done), self.unit),
        };
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*waiting {
            details.push_str(&format!(", paused: {reason}"));
            return details;
        }
        if detail == Detail::Full {
            details.push_str(&format!(", {}", rate(self.per_second())));
        }
        match self.fraction() {
            Some(share) if share > 0.0 => {
                let left = elapsed * (1.0 - share) / share;
                let percent = if self.total.is_none() { format!(", {:.0} %", share * 100.0) } else { String::new() };
                details.push_str(&format!("{percent}, {} left", whole_seconds(left)));
            }
            Some(_) => {}
            None => details.push_str(&format!(", {}", whole_seconds(elapsed))),
        }
        details
    }
}

/// Formats a duration without fractions of a second.
fn whole_seconds(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { duration(seconds) }
}

impl Draw for Data {
    fn lines(&self, columns: usize) -> Vec<String> {
        let details = self.details(Detail::Full);
        let space = columns.saturating_sub(NAME + 1 + details.chars().count() + 2).min(BAR.1);
        vec![match self.fraction().filter(|_| space >= BAR.0) {
            Some(share) => format!("{:<NAME$} {}  {details}", self.name, bar(share, space)),
            None if NAME + 1 + details.chars().count() <= columns => format!("{:<NAME$} {details}", self.name),
            None => format!("{}: {}", self.name, self.details(Detail::Short)),
        }]
    }
}

/// Draws a bar of that length.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of characters")]
fn bar(share: f64, length: usize) -> String {
    let (full, empty) = if charset::is_utf8() { ("█", "░") } else { ("#", "-") };
    let filled = ((share * length as f64) as usize).min(length);
    format!("{}{}", full.repeat(filled), empty.repeat(length - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(total: Option<u64>) -> Stage {
        Stage::new(&Progress::Silent, "replay", "records", total)
    }

    fn line(stage: &Stage, columns: usize) -> String {
        stage.0.data.lines(columns).concat()
    }

    #[test]
    fn a_line_names_what_it_counts_and_fits() {
        let known = stage(Some(32_754));
        known.add(10_000);
        let wide = line(&known, 100);
        assert!(wide.starts_with("replay       ") && wide.contains("10,000 of 32,754 records, "), "{wide}");
        assert!(wide.ends_with(" s left") && wide.contains("/s, "), "{wide}");
        let narrow = line(&known, 45);
        assert!(narrow.starts_with("replay: 10,000 of 32,754 records, ") && narrow.ends_with(" left"), "{narrow}");
        assert!(!narrow.contains("/s"), "{narrow}");
        let unknown = stage(None);
        unknown.add(12);
        assert!(line(&unknown, 100).contains("12 records, ") && line(&unknown, 100).ends_with(", 0 s"));
        unknown.set_fraction(0.5);
        assert!(line(&unknown, 100).contains(", 50 %, 0 s left"), "{}", line(&unknown, 100));
    }

    #[test]
    fn a_stage_that_waits_shows_the_reason_instead_of_a_remaining_time() {
        let stage = stage(Some(10));
        stage.add(4);
        stage.waiting(Some("replica lag"));
        assert!(line(&stage, 100).ends_with("4 of 10 records, paused: replica lag"), "{}", line(&stage, 100));
        stage.waiting(None);
        assert!(line(&stage, 100).ends_with(" left"));
    }

    #[test]
    fn a_bar_is_as_long_as_requested() {
        for (share, length) in [(0.0, 8), (0.5, 10), (1.0, 30), (0.999, 30)] {
            assert_eq!(bar(share, length).chars().count(), length);
        }
    }
}
