//! Outcomes as text, JSON and HTML: functions of an outcome, which decide, count and store nothing.
//!
//! Printing happens here and in [`crate::progress`], nowhere else. What an outcome is belongs to its job and to
//! [`crate::outcome`].

use std::fmt;
use std::io::{self, Write};

use crate::outcome::{CommandOutcome, Counter, Counts, Exit, Problems};
pub(crate) use crate::outcome::{between, count, duration};

pub mod backfill;
pub mod bundle;
pub mod doctor;
pub mod generate;
pub mod html;
pub mod init;
pub mod process;
pub mod publish;
pub mod reconcile;
pub mod replay;
pub mod undo;

/// The form of an outcome on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// An outcome ready to be printed.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub(crate) text: String,
    pub(crate) json: serde_json::Value,
    /// How the run ended.
    pub exit: Exit,
}

impl Rendered {
    /// Takes an outcome's two forms.
    pub fn of(outcome: &impl CommandOutcome) -> Self {
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
    pub fn print(&self, form: OutputFormat) -> io::Result<()> {
        let text = match form {
            OutputFormat::Json if !self.json.is_null() => format!("{}\n", self.json),
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
pub(crate) struct LabelledRows<'a>(pub &'a [(&'a str, String)]);

impl fmt::Display for LabelledRows<'_> {
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

/// The counts of a job as lines, in the order of their table: but for those that the text `said` already, and those that
/// are `rare` and zero.
pub(crate) fn rows<C: Counter>(counts: &Counts<C>, message: &[C], rare: &[C]) -> Vec<(&'static str, String)> {
    let shown = |counter: &C, n: u64| !message.contains(counter) && (n > 0 || !rare.contains(counter));
    let rows = counts.iter().filter(|(counter, n)| shown(counter, *n));
    rows.map(|(counter, n)| (counter.spec().title, count(n))).collect()
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b',')
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
