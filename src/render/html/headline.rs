//! Head of a page: the verdict, the findings, the facts behind it, and the command to repeat it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{numbers, sanitize};
use crate::outcome::Exit;
use crate::render::short_command;

/// Verdict with its facts.
#[derive(Debug, Serialize)]
pub(super) struct Headline {
    /// `clean`, `found` or `stopped`, which selects the color.
    pub state: &'static str,
    pub title: String,
    pub lead: String,
    /// Findings, one line per kind.
    pub points: Vec<Highlight>,
    pub evidence: Vec<Fact>,
}

/// Number with its description.
#[derive(Debug, Serialize)]
pub(super) struct Highlight {
    count: String,
    phrase: &'static str,
    anchor: &'static str,
}

impl Highlight {
    /// Returns the highlights of the kinds that occurred.
    pub(super) fn list(found: Vec<(u64, &'static str, &'static str)>) -> Vec<Self> {
        let occurred = found.into_iter().filter(|(n, ..)| *n > 0);
        occurred.map(|(n, phrase, anchor)| Self { count: numbers::count(n), phrase, anchor }).collect()
    }
}

/// Fact in one line.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    name: &'static str,
    pub value: String,
    /// True if the value is an address, to be copied.
    code: bool,
}

impl Fact {
    /// Returns a fact with text.
    pub(super) fn text(name: &'static str, value: impl AsRef<str>) -> Self {
        Self { name, value: sanitize::shown(value.as_ref(), sanitize::KEY), code: false }
    }

    /// Returns a fact with an address or name, to be copied.
    pub(super) fn code(name: &'static str, value: impl AsRef<str>) -> Self {
        Self { code: true, ..Self::text(name, value) }
    }

    /// Returns the program's version and how it ended.
    pub(super) fn program(exit: Exit, found: &str) -> Self {
        let meaning = match exit {
            Exit::Clean => "clean",
            Exit::Findings => found,
            Exit::CouldNotRun => "could not run",
            Exit::Stopped => "stopped early",
        };
        let version = env!("CARGO_PKG_VERSION");
        Self::text("Program", format!("ruminate {version}, exit code {} ({meaning})", exit.code()))
    }
}

/// Returns the facts that have a value.
pub(super) fn stated(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

/// Returns the state of the verdict, which selects the color.
pub(super) const fn state(exit: Exit) -> &'static str {
    match exit {
        Exit::Stopped => "stopped",
        Exit::Clean => "clean",
        _ => "found",
    }
}

/// Returns the requested farms and days as text.
pub(super) fn window(farms: &[String], from: Option<NaiveDate>, to: Option<NaiveDate>) -> String {
    let farms = if farms.is_empty() { "all farms".to_owned() } else { farms.join(", ") };
    format!("{farms}, {}", days(from, to))
}

/// Returns a range of days as text, both ends inclusive.
pub(super) fn days(from: Option<NaiveDate>, to: Option<NaiveDate>) -> String {
    match (from, to) {
        (None, None) => "all days".to_owned(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("up to {to}"),
        (Some(from), Some(to)) if from == to => from.to_string(),
        (Some(from), Some(to)) => format!("{from} to {to}"),
    }
}

/// Returns an instant as text, to the second.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    format!("{} UTC", at.format("%Y-%m-%d %H:%M:%S"))
}

/// Command to repeat the run.
#[derive(Debug, Serialize)]
pub(super) struct ReproduceCommand {
    command: String,
    /// True if the password in the command's address was removed.
    masked: bool,
}

impl ReproduceCommand {
    pub(super) fn of(command: &str) -> Self {
        let shown = sanitize::shown(&short_command(command), 4 * sanitize::KEY);
        Self { masked: command.contains("***"), command: shown }
    }
}
