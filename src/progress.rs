//! Progress reports: bars on a terminal, a line every few seconds otherwise, silent in tests. Never fails.
//!
//! `stage` is a part of a run with a count, `display` draws on the terminal.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

mod display;
mod stage;

use display::{Display, Draw};
pub use stage::Stage;

/// Interval between two lines if there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Display of progress.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Not at all.
    Silent,
    /// A line on stderr every few seconds.
    Lines,
    /// Bars on the terminal.
    Bars(Arc<Display>),
}

impl Progress {
    /// Bars if stderr is a terminal that can move its cursor, lines elsewhere.
    pub fn for_stderr() -> Self {
        let moves = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if std::io::stderr().is_terminal() && moves { Self::Bars(Arc::default()) } else { Self::Lines }
    }

    /// Starts a stage of `total` steps; `None` if their number is unknown. `unit` is what is counted, in the plural.
    pub fn stage(&self, name: &'static str, unit: &'static str, total: Option<u64>) -> Stage {
        Stage::new(self, name, unit, total)
    }

    /// Returns a display of lines that are updated in place. Without a terminal, it logs one line every few seconds.
    pub fn live_display(&self) -> LiveDisplay {
        let text = Arc::<LiveText>::default();
        let display = match self {
            Self::Bars(display) => Some((Arc::clone(display), display.add(Arc::clone(&text) as Arc<dyn Draw>))),
            Self::Silent | Self::Lines => None,
        };
        LiveDisplay { display, text, lines: matches!(self, Self::Lines), last_logged: Instant::now() }
    }

    /// Runs `write`, which may write to the terminal, while the bars are hidden.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Bars(display) => display.suspend(write),
            Self::Silent | Self::Lines => write(),
        }
    }
}

/// Lines of a live display.
#[derive(Debug, Default)]
struct LiveText(Mutex<Vec<String>>);

impl Draw for LiveText {
    fn lines(&self, _columns: usize) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Text that is updated in place; dropping it removes the text.
#[derive(Debug)]
pub struct LiveDisplay {
    display: Option<(Arc<Display>, u64)>,
    text: Arc<LiveText>,
    lines: bool,
    last_logged: Instant,
}

impl LiveDisplay {
    /// Returns the update interval; `None` if there is no output.
    pub fn every(&self) -> Option<Duration> {
        match (self.display.is_some(), self.lines) {
            (true, _) => Some(Duration::from_millis(500)),
            (false, true) => Some(EVERY),
            (false, false) => None,
        }
    }

    /// Updates the lines; empty ones are not shown. Without a terminal, logs them as one line.
    pub fn write(&mut self, lines: &[String]) {
        let shown = lines.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>();
        if self.lines && self.last_logged.elapsed() >= EVERY {
            self.last_logged = Instant::now();
            let line = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
            tracing::info!(target: "progress", "{}", shown.iter().map(line).collect::<Vec<_>>().join("; "));
        }
        *self.text.0.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}

impl Drop for LiveDisplay {
    fn drop(&mut self) {
        if let Some((display, number)) = &self.display {
            display.remove(*number);
        }
    }
}
