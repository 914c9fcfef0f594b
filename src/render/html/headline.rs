//! The head of a page: the verdict, what was found, what it rests on, and how to repeat it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{numbers, sanitize};
use crate::outcome::Exit;
use crate::render::short_command;

/// The verdict and its evidence.
#[derive(Debug, Serialize)]
pub(super) struct Headline {
    /// `clean`, `found` or `stopped`: the colour.
    pub state: &'static str,
    pub title: String,
    pub lead: String,
    /// What was found, a line a kind.
    pub points: Vec<Highlight>,
    pub evidence: Vec<Fact>,
}

/// A number and what it is a number of.
#[derive(Debug, Serialize)]
pub(super) struct Highlight {
    count: String,
    phrase: &'static str,
    anchor: &'static str,
}

impl Highlight {
    /// The points of those kinds that occurred.
    pub(super) fn list(found: Vec<(u64, &'static str, &'static str)>) -> Vec<Self> {
        let occurred = found.into_iter().filter(|(n, ..)| *n > 0);
        occurred.map(|(n, phrase, anchor)| Self { count: numbers::count(n), phrase, anchor }).collect()
    }
}

/// One line of the evidence.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    name: &'static str,
    pub value: String,
    /// Whether it is an address, to be copied.
    code: bool,
}

impl Fact {
    /// Something in words.
    pub(super) fn said(name: &'static str, value: impl AsRef<str>) -> Self {
        Self { name, value: sanitize::shown(value.as_ref(), sanitize::KEY), code: false }
    }

    /// An address or a name, to be copied.
    pub(super) fn code(name: &'static str, value: impl AsRef<str>) -> Self {
        Self { code: true, ..Self::said(name, value) }
    }

    /// The program's version and how it ended.
    pub(super) fn program(exit: Exit, found: &str) -> Self {
        let meaning = match exit {
            Exit::Clean => "clean",
            Exit::Findings => found,
            Exit::CouldNotRun => "could not run",
            Exit::Stopped => "stopped early",
        };
        let version = env!("CARGO_PKG_VERSION");
        Self::said("Program", format!("ruminate {version}, exit code {} ({meaning})", exit.code()))
    }
}

/// The facts that have a value.
pub(super) fn stated(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

/// The colour of the verdict.
pub(super) const fn state(exit: Exit) -> &'static str {
    match exit {
        Exit::Stopped => "stopped",
        Exit::Clean => "clean",
        _ => "found",
    }
}

/// Farms and days that were asked for.
pub(super) fn window(farms: &[String], from: Option<NaiveDate>, to: Option<NaiveDate>) -> String {
    let farms = if farms.is_empty() { "all farms".to_owned() } else { farms.join(", ") };
    format!("{farms}, {}", days(from, to))
}

/// A span of days, both ends inclusive.
pub(super) fn days(from: Option<NaiveDate>, to: Option<NaiveDate>) -> String {
    match (from, to) {
        (None, None) => "all days".to_owned(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("up to {to}"),
        (Some(from), Some(to)) if from == to => from.to_string(),
        (Some(from), Some(to)) => format!("{from} to {to}"),
    }
}

/// An instant, to the second.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    format!("{} UTC", at.format("%Y-%m-%d %H:%M:%S"))
}

/// How to repeat the run.
#[derive(Debug, Serialize)]
pub(super) struct ReproduceCommand {
    command: String,
    /// Whether the command's address has its password left out.
    masked: bool,
}

impl ReproduceCommand {
    pub(super) fn of(command: &str) -> Self {
        let shown = sanitize::shown(&short_command(command), 4 * sanitize::KEY);
        Self { masked: command.contains("***"), command: shown }
    }
}
