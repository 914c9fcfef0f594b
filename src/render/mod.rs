//! Renders outcomes as text, JSON and HTML. The functions only format an outcome: they decide, count and store nothing.
//!
//! Only this module and [`crate::progress`] print. Outcomes are defined by their jobs and by [`crate::outcome`].

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::history::InputReports;
use crate::outcome::{CommandOutcome, Counter, Counts, Exit, Problems};
pub(crate) use crate::outcome::{between, count, counted, duration, millis, rate, took};
use crate::{charset, terminal};
use pipeline::printable;
/// Returns a value from data or a store in one line, without control characters.
pub(crate) use pipeline::printable::line as one_line;

pub mod backfill;
pub mod bundle;
pub mod compact;
pub mod doctor;
pub mod fleet;
pub mod generate;
pub mod html;
pub mod init;
mod parts;
pub mod process;
pub mod publish;
pub mod reconcile;
pub mod replay;
pub mod restore;
pub mod undo;

/// Output format of an outcome on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// Human-readable text
    #[default]
    Text,
    /// A single JSON object
    Json,
}

/// Outcome that is ready to be printed.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub(crate) text: String,
    pub(crate) json: serde_json::Value,
    /// Exit status of the run.
    pub exit: Exit,
}

impl Rendered {
    /// Returns both formats of an outcome.
    pub fn of(outcome: &impl CommandOutcome) -> Self {
        let json = serde_json::to_value(outcome).unwrap_or_else(|e| serde_json::json!({ "error": e.to_string() }));
        Self { text: outcome.to_string(), json, exit: outcome.exit() }
    }

    /// Returns text that is printed unchanged in every format, such as scripts and manual pages.
    pub fn verbatim(text: String) -> Self {
        Self { json: serde_json::Value::Null, text, exit: Exit::Clean }
    }

    /// Returns empty output, for a command that has written its own.
    pub fn nothing() -> Self {
        Self::verbatim(String::new())
    }

    /// Returns the outcome as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the outcome as JSON.
    pub const fn json(&self) -> &serde_json::Value {
        &self.json
    }

    /// Prints to stdout; a closed stdout is not an error.
    ///
    /// # Errors
    /// Returns an error if stdout cannot be written for another reason.
    pub fn print(&self, form: OutputFormat) -> io::Result<()> {
        match form {
            // The program's own text, not an outcome: it may contain control characters, as a man page does.
            _ if self.json.is_null() => write_stdout(&charset::shown(&self.text)),
            OutputFormat::Json => write_stdout(&format!("{}\n", printable::json(&self.json.to_string()))),
            OutputFormat::Text => print_text(&self.text),
        }
    }

    /// Returns the same outcome with another text.
    #[must_use]
    pub fn with_text(self, text: String) -> Self {
        Self { text, ..self }
    }
}

/// Prints a text to stdout, wrapped to the width of a terminal; a closed stdout is not an error.
///
/// # Errors
/// Returns an error if stdout cannot be written for another reason.
pub fn print_text(text: &str) -> io::Result<()> {
    let shown = charset::shown(text);
    let shown = printable::lines(&shown);
    match terminal::width(&io::stdout()) {
        Some(columns) => write_stdout(&terminal::wrapped(&shown, columns)),
        None => write_stdout(&shown),
    }
}

fn write_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a report as HTML, or as JSON if the name ends in `.json`; the file is replaced only once it is complete.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub fn write_report(path: &Path, outcome: &(impl html::Page + Serialize)) -> io::Result<()> {
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return html::write(path, outcome);
    }
    let dir = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = pipeline::atomic_file::temp_file_in(dir.unwrap_or_else(|| Path::new(".")))?;
    serde_json::to_writer_pretty(&mut file, outcome)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|e| e.error)
}

/// Table of two columns, the first padded: names and counts.
pub(crate) struct LabelledRows<'a, S>(pub &'a [(S, String)]);

impl<S: AsRef<str>> fmt::Display for LabelledRows<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0);
        let digits = self.0.iter().filter(|(_, v)| is_count(v)).map(|(_, v)| v.len()).max().unwrap_or(0);
        for (name, value) in self.0 {
            let name = name.as_ref();
            if is_count(value) {
                writeln!(f, "  {name:<width$}  {value:>digits$}")?;
            } else {
                writeln!(f, "  {name:<width$}  {value}")?;
            }
        }
        Ok(())
    }
}

/// Returns the counts of a job as lines, in the order of their table. Counts in `message`, which the text already
/// contains, are omitted, as are zero counts in `rare`.
pub(crate) fn rows<C: Counter>(counts: &Counts<C>, message: &[C], rare: &[C]) -> Vec<(&'static str, String)> {
    let shown = |counter: &C, n: u64| !message.contains(counter) && (n > 0 || !rare.contains(counter));
    let rows = counts.iter().filter(|(counter, n)| shown(counter, *n));
    rows.map(|(counter, n)| (counter.spec().title, count(n))).collect()
}

/// Maximum number of operands of a command that are displayed.
const SHOWN_OPERANDS: usize = 6;

/// Returns a command for display: a long list of files is shortened; the JSON contains all of it.
pub(crate) fn short_command(command: &str) -> String {
    let Some(words) = shlex::split(command) else { return command.to_owned() };
    let operands = words.iter().skip(2).take_while(|word| !word.starts_with("--")).count();
    let omitted = operands.saturating_sub(SHOWN_OPERANDS);
    if omitted == 0 {
        return command.to_owned();
    }
    let joined = |words: &[String]| shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    let (first, rest) = (&words[..2 + SHOWN_OPERANDS], &words[2 + operands..]);
    let omitted = counted(omitted as u64, "more file", "more files");
    format!("{} … ({omitted}) {}", joined(first), joined(rest)).trim_end().to_owned()
}

/// Returns the hint that follows a printed command whose address has no password.
pub(crate) fn password_hint(command: &str) -> &'static str {
    if command.contains("***") { " (replace *** with the password)" } else { "" }
}

/// Maximum number of dialects in the text.
const SHOWN_DIALECTS: usize = 4;

/// Returns the line with the dialects of the input files that were read: `3 files NDJSON; 1 file CSV, delimiter ;`. `None`
/// without files.
pub(crate) fn input_line(inputs: &InputReports) -> Option<(&'static str, String)> {
    let dialects = inputs.dialects();
    let shown = |(dialect, files): &(String, u64)| {
        format!("{} {} {dialect}", count(*files), if *files == 1 { "file" } else { "files" })
    };
    let mut parts: Vec<String> = dialects.iter().take(SHOWN_DIALECTS).map(shown).collect();
    let others = dialects.iter().skip(SHOWN_DIALECTS).map(|(_, files)| files).sum::<u64>() + inputs.inputs_omitted;
    if others > 0 {
        parts.push(format!("{} more", count(others)));
    }
    (!parts.is_empty()).then(|| ("input", parts.join("; ")))
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b',')
}

/// Maximum number of problems in the text.
const SHOWN: usize = 20;

/// Problems of a run, one per line: the first, and where the others are.
pub(crate) struct ProblemLines<'a> {
    problems: &'a Problems,
    /// True for a run that was merged from shards, each of which has its own log.
    is_merged: bool,
}

impl<'a> ProblemLines<'a> {
    pub(crate) const fn of(problems: &'a Problems, is_merged: bool) -> Self {
        Self { problems, is_merged }
    }
}

impl fmt::Display for ProblemLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = self.problems;
        for problem in problems.items().iter().take(SHOWN) {
            writeln!(f, "  {} {}: {}", problem.kind, one_line(&problem.place), one_line(&problem.reason))?;
        }
        let rest = problems.items().len().saturating_sub(SHOWN) as u64 + problems.omitted();
        if rest > 0 {
            let logs = if self.is_merged { "with -v each shard logs its own" } else { "-v logs all" };
            let first = Problems::KEPT;
            writeln!(f, "  … and {} more (--output json has the first {first}, {logs})", count(rest))?;
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ProblemLines::of(self, false).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_files_is_shortened() {
        let files: Vec<String> = (1..=90).map(|n| format!("f{n}.json")).collect();
        let command = format!("ruminate publish {} --topic local", files.join(" "));
        let short = "ruminate publish f1.json f2.json f3.json f4.json f5.json f6.json … (84 more files) --topic local";
        assert_eq!(short_command(&command), short);
        for whole in ["ruminate publish a b --topic local", "ruminate replay --farm 'a b'", ""] {
            assert_eq!(short_command(whole), whole);
        }
    }
}
