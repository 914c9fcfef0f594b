//! Outcomes as text, JSON and HTML: functions of an outcome, which decide, count and store nothing.
//!
//! Printing happens here and in [`crate::progress`], nowhere else. What an outcome is belongs to its job and to
//! [`crate::outcome`].

use std::fmt;
use std::io::{self, Write};

use chrono::{DateTime, Utc};

use crate::outcome::{Exit, Outcome, Problems};

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

/// How many problems the text shows.
const SHOWN: usize = 20;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.kept().iter().take(SHOWN) {
            writeln!(f, "  {} {}: {}", problem.kind, problem.place, problem.reason)?;
        }
        let rest = self.kept().len().saturating_sub(SHOWN) as u64 + self.more();
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
}
