//! Lines on the terminal that are redrawn in place, below the log: one for each stage in progress, and those of a live
//! display.
//!
//! One progress bar of `indicatif` draws all of them: with several bars, lines of bars that end at the same time remain
//! on the screen.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use crate::terminal;

/// Interval between two updates.
const EVERY: Duration = Duration::from_millis(120);
/// Updates per second at most.
const PER_SECOND: u8 = 10;
/// Width if the terminal does not report it.
const COLUMNS: usize = 80;

/// Something that is drawn.
pub(super) trait Draw: Send + Sync {
    /// Returns its lines for a terminal of this width; longer ones are cut.
    fn lines(&self, columns: usize) -> Vec<String>;
}

type Items = BTreeMap<u64, Arc<dyn Draw>>;

/// Lines on the terminal.
#[derive(Default)]
pub struct Display(Mutex<State>);

#[derive(Default)]
struct State {
    /// What is drawn, in the order in which it was added.
    items: Arc<Mutex<Items>>,
    added: u64,
    /// Draws the items; `None` if there are none.
    bar: Option<ProgressBar>,
}

impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Display")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Display {
    /// Adds an item and returns its number.
    pub(super) fn add(&self, item: Arc<dyn Draw>) -> u64 {
        let mut state = locked(&self.0);
        state.added += 1;
        let number = state.added;
        locked(&state.items).insert(number, item);
        if state.bar.is_none() {
            state.bar = Some(bar(Arc::clone(&state.items)));
        }
        number
    }

    /// Removes an item; without items nothing remains on the terminal.
    pub(super) fn remove(&self, number: u64) {
        let mut state = locked(&self.0);
        let is_empty = {
            let mut items = locked(&state.items);
            items.remove(&number);
            items.is_empty()
        };
        if is_empty && let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Runs `write`, which may write to the terminal, while the lines are hidden.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        let bar = locked(&self.0).bar.clone();
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

fn bar(items: Arc<Mutex<Items>>) -> ProgressBar {
    let lines = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        let columns = columns();
        let lines = locked(&items).values().flat_map(|item| item.lines(columns)).collect::<Vec<_>>();
        let cut: Vec<_> = lines.iter().map(|line| terminal::cut(line, columns)).collect();
        let _ = out.write_str(&cut.join("\n")); // writing to a string does not fail
    };
    let style = ProgressStyle::with_template("{lines}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Stderr(console::Term::buffered_stderr())), PER_SECOND);
    let bar = ProgressBar::with_draw_target(None, target).with_style(style.with_key("lines", lines));
    bar.enable_steady_tick(EVERY);
    bar
}

/// Returns the usable width of stderr: its last column stays free, where the cursor is.
fn columns() -> usize {
    terminal::width(&io::stderr()).unwrap_or(COLUMNS).saturating_sub(1).max(1)
}

/// The terminal on stderr, with a width also if it reports 0 rows.
#[derive(Debug)]
struct Stderr(console::Term);

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        u16::try_from(columns() + 1).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.0.write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
