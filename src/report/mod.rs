//! What a command found: one outcome type a command, as text, as JSON, and for audits as HTML.
//!
//! Printing happens here and in [`crate::progress`], nowhere else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub mod backfill;
pub mod bundle;
pub mod demo;
pub mod doctor;
pub mod generate;
pub mod html;
pub mod process;
pub mod publish;
pub mod reconcile;
pub mod replay;
pub mod undone;

/// How a run ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything was done and nothing was wrong.
    Clean,
    /// Everything was done, and drift, rejects or failed messages were found.
    Found,
    /// It could not run: usage, access, schema.
    CouldNotRun,
    /// It stopped early and can be resumed.
    Stopped,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Found => 1,
            Self::CouldNotRun => 2,
            Self::Stopped => 3,
        }
    }
}

/// What a command found: its text for people, its JSON for scripts, and how the run ended.
pub trait Outcome: fmt::Display + Serialize {
    /// How the run ended.
    fn exit(&self) -> Exit;
}

/// The form of an outcome on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Form {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// An outcome ready to be printed.
#[derive(Debug, Clone)]
pub struct Printed {
    pub(crate) text: String,
    pub(crate) json: serde_json::Value,
    /// How the run ended.
    pub exit: Exit,
}

impl Printed {
    /// Takes an outcome's two forms.
    pub fn of(outcome: &impl Outcome) -> Self {
        let json = serde_json::to_value(outcome).unwrap_or_else(|e| serde_json::json!({ "error": e.to_string() }));
        Self { text: outcome.to_string(), json, exit: outcome.exit() }
    }

    /// Text that goes to stdout as it is, whatever the form: scripts, manual pages.
    pub fn verbatim(text: String) -> Self {
        Self { json: serde_json::Value::Null, text, exit: Exit::Clean }
    }

    /// Nothing: the command has written its output itself.
    pub fn nothing() -> Self {
        Self::verbatim(String::new())
    }

    /// Prints to stdout; a closed stdout ends quietly.
    ///
    /// # Errors
    /// stdout cannot be written for another reason.
    pub fn print(&self, form: Form) -> io::Result<()> {
        let text = match form {
            Form::Json if !self.json.is_null() => format!("{}\n", self.json),
            _ => self.text.clone(),
        };
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

/// A table of two columns, the first padded: names and counts.
pub(crate) struct Lines<'a>(pub &'a [(&'a str, String)]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let digits = self.0.iter().filter(|(_, v)| is_count(v)).map(|(_, v)| v.len()).max().unwrap_or(0);
        for (name, value) in self.0 {
            if is_count(value) {
                writeln!(f, "  {name:<width$}  {value:>digits$}")?;
            } else {
                writeln!(f, "  {name:<width$}  {value}")?;
            }
        }
        Ok(())
    }
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b',')
}

/// A count with commas: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Seconds for people: `0.42 s`, `3 min 20 s`, `2 days 4 h`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{seconds:.2} s");
    }
    let whole = seconds as u64;
    if whole < 7_200 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else if whole < 172_800 {
        format!("{} h {} min", whole / 3_600, whole % 3_600 / 60)
    } else {
        format!("{} days {} h", count(whole / 86_400), whole % 86_400 / 3_600)
    }
}

/// The time between two instants, for people: `12 s`, `4 min 12 s`.
pub(crate) fn between(first: DateTime<Utc>, second: DateTime<Utc>) -> String {
    match (second - first).num_seconds().unsigned_abs() {
        seconds @ 0..120 => format!("{seconds} s"),
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        seconds => duration(seconds as f64),
    }
}

/// A problem with one input that did not stop the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `rejected`, `unreadable`, `archived`, `conflicting`, `skipped`, …
    pub kind: Cow<'static, str>,
    /// The object's key, or the file and line.
    #[serde(rename = "key")]
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The problems of a run: all counted and logged, the first thousand kept for the outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Problems {
    kept: Vec<Problem>,
    more: u64,
    /// All of them, by kind.
    kinds: BTreeMap<Cow<'static, str>, u64>,
    /// Those kept, by kind.
    #[serde(skip)]
    held: BTreeMap<Cow<'static, str>, usize>,
}

impl Problems {
    /// How many are kept in the outcome; all are in the log.
    const KEPT: usize = 1_000;
    /// Those of every kind that are kept even then, so that no kind hides another.
    const KEPT_OF_A_KIND: usize = 20;
    /// How many the text shows.
    const SHOWN: usize = 20;

    /// Takes one down and logs it.
    pub fn add(&mut self, kind: &'static str, place: impl Into<String>, reason: impl Into<String>) {
        let problem = Problem { kind: kind.into(), place: place.into(), reason: reason.into() };
        tracing::debug!(target: "problem", kind, key = problem.place, "{}", problem.reason);
        *self.kinds.entry(problem.kind.clone()).or_default() += 1;
        self.keep(problem);
    }

    /// Takes over those of another, which were logged when they were found.
    pub fn absorb(&mut self, other: Self) {
        self.more += other.more;
        for (kind, more) in other.kinds {
            *self.kinds.entry(kind).or_default() += more;
        }
        other.kept.into_iter().for_each(|problem| self.keep(problem));
    }

    fn keep(&mut self, problem: Problem) {
        let held = self.held.entry(problem.kind.clone()).or_default();
        if self.kept.len() < Self::KEPT || *held < Self::KEPT_OF_A_KIND {
            *held += 1;
            self.kept.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Puts those kept in an order that is not that of finding them.
    pub(crate) fn sort(&mut self) {
        self.kept.sort_by(|a, b| (&a.kind, &a.place, &a.reason).cmp(&(&b.kind, &b.place, &b.reason)));
    }

    /// Those kept.
    pub fn kept(&self) -> &[Problem] {
        &self.kept
    }

    /// How many of a kind there were.
    pub fn of(&self, kind: &str) -> u64 {
        self.kinds.get(kind).copied().unwrap_or(0)
    }

    /// How many there were of the kinds that are wanted.
    pub(crate) fn count(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        self.kinds.iter().filter(|(kind, _)| wanted(kind)).map(|(_, n)| n).sum()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.kept.iter().take(Self::SHOWN) {
            writeln!(f, "  {} {}: {}", problem.kind, problem.place, problem.reason)?;
        }
        let rest = self.kept.len().saturating_sub(Self::SHOWN) as u64 + self.more;
        if rest > 0 {
            writeln!(f, "  … and {} more (--output json has the first {}, -v logs all)", count(rest), Self::KEPT)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn times_have_the_units_that_matter() {
        for (seconds, text) in
            [(0.42, "0.42 s"), (200.0, "3 min 20 s"), (7_265.0, "2 h 1 min"), (200_000_000.0, "2,314 days 19 h")]
        {
            assert_eq!(duration(seconds), text);
        }
        let first = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(between(first, first), "0 s");
        assert_eq!(between(first, first + chrono::TimeDelta::seconds(252)), "4 min 12 s");
    }

    #[test]
    fn no_kind_of_problem_hides_another() {
        let mut problems = Problems::default();
        (0..5_000).for_each(|n| problems.add("archived", n.to_string(), "why"));
        (0..30).for_each(|n| problems.add("rejected", n.to_string(), "why"));
        assert_eq!(problems.kept().iter().filter(|p| p.kind == "rejected").count(), 20);
        assert_eq!((problems.of("archived"), problems.of("rejected"), problems.of("none")), (5_000, 30, 0));
        assert!(problems.to_string().contains("5,010 more"), "{problems}");
    }
}
