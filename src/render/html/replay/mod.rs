//! Page of a replay: what was recovered, what was not, and what to do about it.
//!
//! The first screen shows if the data was recovered; the rest is for the engineer on call.

use serde::Serialize;

use super::Page;
use super::breakdown::{Breakdown, CategoryRow};
use super::calendar::Calendar;
use super::findings::KindSection;
use super::headline::{Headline, ReproduceCommand};
use super::problem_list::ProblemList;
use super::sanitize;
use crate::replay::Outcome;

mod calendar;
mod category;
mod not_recovered;
mod page_head;
mod recovery;
#[cfg(test)]
mod tests;
mod timing;

pub(super) const LAYOUT: &str = "replay/page.html.j2";

/// Data for the template.
#[derive(Debug, Serialize)]
struct Replay {
    version: &'static str,
    verdict: Headline,
    calendar: Calendar,
    breakdowns: Vec<Breakdown>,
    counts: Vec<CategoryRow>,
    missing: Vec<KindSection>,
    changed: Vec<KindSection>,
    skipped: ProblemList,
    recovery: recovery::Recovery,
    timing: timing::Timing,
    swap: Option<recovery::TableSwapSection>,
    undo: Vec<UndoFile>,
    stopped: bool,
    /// What to do if the run stopped.
    resume_hint: &'static str,
    repeat: ReproduceCommand,
}

/// Undo file with the command that reverts it.
#[derive(Debug, Serialize)]
struct UndoFile {
    file: String,
    command: String,
}

impl UndoFile {
    /// Returns all undo files, the newest last.
    fn list(outcome: &Outcome) -> Vec<Self> {
        let files = outcome.earlier_undo_files.iter().chain(&outcome.undo_file);
        let commands = outcome.undo_commands.iter().map(String::as_str).chain(std::iter::repeat(""));
        let shown = |(file, command): (&String, &str)| Self {
            file: sanitize::shown(file, sanitize::KEY),
            command: sanitize::shown(command, 4 * sanitize::KEY),
        };
        files.zip(commands).map(shown).collect()
    }
}

impl Page for Outcome {
    const LAYOUT: &'static str = LAYOUT;

    fn page(&self, findings_bytes: usize) -> impl Serialize {
        let (missing, changed) = not_recovered::groups(self, findings_bytes);
        Replay {
            version: env!("CARGO_PKG_VERSION"),
            verdict: page_head::of(self),
            calendar: calendar::calendar(self),
            breakdowns: vec![category::breakdown(self)],
            counts: category::counts(self),
            missing,
            changed,
            skipped: not_recovered::skipped(self),
            recovery: recovery::Recovery::of(self),
            timing: timing::Timing::of(self),
            swap: self.table_swap.as_ref().map(recovery::TableSwapSection::of),
            undo: UndoFile::list(self),
            stopped: self.stopped.is_some(),
            resume_hint: self.resume_hint(),
            repeat: ReproduceCommand::of(&self.command),
        }
    }
}
