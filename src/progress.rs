//! Progress reports: bars on a terminal, a line every few seconds otherwise, silent in tests. Never fails.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Interval between two lines if there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Not at all.
    Silent,
    /// A line on stderr every few seconds.
    Lines,
    /// Bars on the terminal.
    Bars(MultiProgress),
}

impl Progress {
    /// Bars if stderr is a terminal that can move its cursor, lines elsewhere.
    pub fn for_stderr() -> Self {
        let moves = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if std::io::stderr().is_terminal() && moves { Self::Bars(MultiProgress::new()) } else { Self::Lines }
    }

    /// Starts a stage of `total` steps; `None` if their number is unknown.
    pub fn stage(&self, name: &str, total: Option<u64>) -> Stage {
        let bar = match self {
            Self::Bars(bars) => Some(bars.add(styled(name, total))),
            Self::Silent | Self::Lines => None,
        };
        Stage(Arc::new(Inner {
            name: name.to_owned(),
            lines: matches!(self, Self::Lines),
            bar,
            done: AtomicU64::new(0),
            total: AtomicU64::new(total.unwrap_or(0)),
            share: AtomicU64::new(0),
            started_at: Instant::now(),
            last_logged: Mutex::new(Instant::now()),
            waiting: Mutex::default(),
        }))
    }
}

impl Progress {
    /// Returns a display of `lines` lines that are updated in place, below the stages. Without a terminal, it logs one
    /// line every few seconds.
    pub fn board(&self, lines: usize) -> LiveDisplay {
        let bars = match self {
            Self::Bars(bars) => {
                let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
                (0..lines).map(|_| bars.add(ProgressBar::new_spinner().with_style(style.clone()))).collect()
            }
            Self::Silent | Self::Lines => Vec::new(),
        };
        LiveDisplay { bars, lines: matches!(self, Self::Lines), last_logged: Instant::now() }
    }
}

/// Text that is updated in place.
#[derive(Debug)]
pub struct LiveDisplay {
    bars: Vec<ProgressBar>,
    lines: bool,
    last_logged: Instant,
}

impl LiveDisplay {
    /// Returns the update interval; `None` if there is no output.
    pub fn every(&self) -> Option<Duration> {
        match (self.bars.is_empty(), self.lines) {
            (false, _) => Some(Duration::from_millis(500)),
            (true, true) => Some(EVERY),
            (true, false) => None,
        }
    }

    /// Updates the lines. Without a terminal, logs the non-empty ones as one line.
    pub fn write(&mut self, lines: &[String]) {
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_message(line.clone());
        }
        if self.lines && self.last_logged.elapsed() >= EVERY {
            self.last_logged = Instant::now();
            let message: Vec<_> = lines.iter().filter(|line| !line.is_empty()).map(String::as_str).collect();
            tracing::info!(target: "progress", "{}", message.join("; "));
        }
    }

    /// Removes the lines.
    pub fn finish(&self) {
        for bar in &self.bars {
            bar.finish_and_clear();
        }
    }
}

fn styled(name: &str, total: Option<u64>) -> ProgressBar {
    let form = match total {
        Some(_) => "{prefix:<12} {bar:30.cyan/dim} {human_pos}/{human_len}  {per_sec}  eta {eta}  {msg}",
        None => "{prefix:<12} {spinner} {human_pos}  {per_sec}  {elapsed}  {msg}",
    };
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar =
        total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style).with_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// One stage of a run. Clones share their count, and dropping the last one removes the bar.
#[derive(Debug, Clone)]
pub struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    lines: bool,
    bar: Option<ProgressBar>,
    done: AtomicU64,
    total: AtomicU64,
    /// Fraction of the work done, in millionths, for stages whose number of steps is unknown.
    share: AtomicU64,
    started_at: Instant,
    last_logged: Mutex<Instant>,
    /// What the stage waits for; `None` if it does not wait.
    waiting: Mutex<Option<String>>,
}

impl Stage {
    /// Adds `steps` completed steps.
    pub fn add(&self, steps: u64) {
        let done = self.0.done.fetch_add(steps, Ordering::Relaxed) + steps;
        if let Some(bar) = &self.0.bar {
            bar.set_position(done);
        } else if self.0.lines {
            self.log_line(done);
        }
    }

    /// Sets a text next to the count.
    pub fn note(&self, text: String) {
        if let Some(bar) = &self.0.bar {
            bar.set_message(text);
        }
    }

    /// Sets what the stage waits for, shown instead of the remaining time; `None` if it does not wait.
    pub fn waiting(&self, reason: Option<&str>) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.as_deref() == reason {
            drop(waiting);
            if reason.is_some() && self.0.lines {
                self.log_line(self.0.done.load(Ordering::Relaxed));
            }
            return;
        }
        *waiting = reason.map(str::to_owned);
        if let Some(bar) = &self.0.bar {
            bar.set_message(reason.map_or(String::new(), |reason| format!("paused: {reason}")));
        }
    }

    /// Sets the fraction of the work done, 0 to 1, to show the remaining time of stages whose number of steps is
    /// unknown.
    pub fn set_fraction(&self, done: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1")]
        self.0.share.store((done.clamp(0.0, 1.0) * 1e6) as u64, Ordering::Relaxed);
        if let (Some(bar), Some(left)) = (&self.0.bar, self.eta()) {
            bar.set_message(left);
        }
    }

    /// Returns the percentage done and the remaining time at the pace so far; `None` if there is no fraction.
    fn eta(&self) -> Option<String> {
        let share = self.0.share.load(Ordering::Relaxed) as f64 / 1e6;
        let left = self.0.started_at.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-6);
        (share > 0.0).then(|| format!("{:.0} %, eta {left:.0} s", share * 100.0))
    }

    fn log_line(&self, done: u64) {
        let Ok(mut message) = self.0.last_logged.try_lock() else { return };
        if message.elapsed() < EVERY {
            return;
        }
        *message = Instant::now();
        let rate = done as f64 / self.0.started_at.elapsed().as_secs_f64().max(1e-3);
        let total = self.0.total.load(Ordering::Relaxed);
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rest = if let Some(reason) = waiting {
            format!(", paused: {reason};")
        } else if let Some(left) = self.eta() {
            format!(" ({left})")
        } else if total > done {
            format!("/{total}, eta {:.0} s", (total - done) as f64 / rate.max(1e-3))
        } else {
            String::new()
        };
        tracing::info!(target: "progress", "{} {done}{rest} at {rate:.0}/s", self.0.name);
    }

    /// Ends the stage and removes its bar.
    pub fn finish(self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
        drop(self.0.last_logged.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
