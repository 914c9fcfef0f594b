//! The page of a replay: what came back, what did not and what to do about it.
//!
//! The first screen is for whoever asks "is it back?"; the rest is for who was on call.

use serde::Serialize;

use super::Page;
use super::account::{Account, Count};
use super::calendar::Calendar;
use super::findings::Group;
use super::head::{Repeat, Verdict};
use super::listed::Listed;
use super::text;
use crate::replay::Outcome;

mod category;
mod course;
mod days;
mod missing;
mod recovery;
#[cfg(test)]
mod tests;
mod verdict;

pub(super) const LAYOUT: &str = "replay/page.html.j2";

/// Everything the template lays out.
#[derive(Debug, Serialize)]
struct Replay {
    version: &'static str,
    verdict: Verdict,
    calendar: Calendar,
    accounts: Vec<Account>,
    counts: Vec<Count>,
    missing: Vec<Group>,
    changed: Vec<Group>,
    aside: Listed,
    recovery: recovery::Recovery,
    course: course::Course,
    swap: Option<recovery::Swap>,
    undo: Vec<UndoFile>,
    stopped: bool,
    /// What to do where it stopped.
    to_go_on: &'static str,
    repeat: Repeat,
}

/// An undo file and the command that reverts it.
#[derive(Debug, Serialize)]
struct UndoFile {
    file: String,
    command: String,
}

impl UndoFile {
    /// All files, the newest last.
    fn list(outcome: &Outcome) -> Vec<Self> {
        let files = outcome.undo_earlier.iter().chain(&outcome.undo);
        let commands = outcome.undo_commands.iter().map(String::as_str).chain(std::iter::repeat(""));
        let shown = |(file, command): (&String, &str)| Self {
            file: text::shown(file, text::KEY),
            command: text::shown(command, 4 * text::KEY),
        };
        files.zip(commands).map(shown).collect()
    }
}

impl Page for Outcome {
    const LAYOUT: &'static str = LAYOUT;

    fn page(&self, findings_bytes: usize) -> impl Serialize {
        let (missing, changed) = missing::groups(self, findings_bytes);
        Replay {
            version: env!("CARGO_PKG_VERSION"),
            verdict: verdict::of(self),
            calendar: days::calendar(self),
            accounts: vec![category::account(self)],
            counts: category::counts(self),
            missing,
            changed,
            aside: missing::aside(self),
            recovery: recovery::Recovery::of(self),
            course: course::Course::of(self),
            swap: self.cut_over.as_ref().map(recovery::Swap::of),
            undo: UndoFile::list(self),
            stopped: self.stopped.is_some(),
            to_go_on: self.resume_hint(),
            repeat: Repeat::of(&self.command),
        }
    }
}
