//! The observer: bars on a terminal, a line every few seconds elsewhere, silent in tests. Never returns errors.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
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
    /// Bars where stderr is a terminal, lines elsewhere.
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Bars(MultiProgress::new()) } else { Self::Lines }
    }

    /// Begins a stage of so many steps, where their number is known.
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
    /// Some lines of text that change in place, below the stages; elsewhere than on a terminal one line every few seconds.
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

/// Text that changes in place.
#[derive(Debug)]
pub struct LiveDisplay {
    bars: Vec<ProgressBar>,
    lines: bool,
    last_logged: Instant,
}

impl LiveDisplay {
    /// How often it is worth writing; none where nobody looks.
    pub fn every(&self) -> Option<Duration> {
        match (self.bars.is_empty(), self.lines) {
            (false, _) => Some(Duration::from_millis(500)),
            (true, true) => Some(EVERY),
            (true, false) => None,
        }
    }

    /// Writes the lines anew; where there is no terminal, those that are not empty as one.
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

    /// Takes the lines away.
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

/// One stage of a run; clones count together, and the last one dropped takes the bar away.
#[derive(Debug, Clone)]
pub struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    lines: bool,
    bar: Option<ProgressBar>,
    done: AtomicU64,
    total: AtomicU64,
    /// How much of the whole is done where steps cannot be counted beforehand, in millionths.
    share: AtomicU64,
    started_at: Instant,
    last_logged: Mutex<Instant>,
    /// What it waits for.
    waiting: Mutex<Option<String>>,
}

impl Stage {
    /// So many steps more.
    pub fn add(&self, steps: u64) {
        let done = self.0.done.fetch_add(steps, Ordering::Relaxed) + steps;
        if let Some(bar) = &self.0.bar {
            bar.set_position(done);
        } else if self.0.lines {
            self.log_line(done);
        }
    }

    /// A word beside the count.
    pub fn note(&self, text: String) {
        if let Some(bar) = &self.0.bar {
            bar.set_message(text);
        }
    }

    /// What the stage waits for, if it does: shown in place of the time that is left.
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
            bar.set_message(reason.map_or(String::new(), |reason| format!("waiting: {reason}")));
        }
    }

    /// How much of the whole is done, 0 to 1, where its steps cannot be counted beforehand: gives the time that is left.
    pub fn set_fraction(&self, done: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1")]
        self.0.share.store((done.clamp(0.0, 1.0) * 1e6) as u64, Ordering::Relaxed);
        if let (Some(bar), Some(left)) = (&self.0.bar, self.eta()) {
            bar.set_message(left);
        }
    }

    /// The share in per cent and the time that is left at the pace so far.
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
            format!(", waiting: {reason};")
        } else if let Some(left) = self.eta() {
            format!(" ({left})")
        } else if total > done {
            format!("/{total}, eta {:.0} s", (total - done) as f64 / rate.max(1e-3))
        } else {
            String::new()
        };
        tracing::info!(target: "progress", "{} {done}{rest} at {rate:.0}/s", self.0.name);
    }

    /// Ends the stage and takes its bar away.
    pub fn finish(self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
        drop(self.0.last_logged.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
