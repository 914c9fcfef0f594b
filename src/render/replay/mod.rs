//! What `replay` did, as text and as a file of JSON.

use std::fmt;
use std::io;
use std::path::Path;

use pipeline::lake::ThrottleStats;

use super::{LabelledRows, between, count, duration};
use crate::outcome::{Counter as _, Role};
use crate::replay::{Counter, Outcome, Pause, SKIPPED, TableSwap};

mod preview;

/// Writes the whole outcome as a JSON file, to a temporary name first.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(outcome: &Outcome, path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = pipeline::atomic_file::temp_file_in(dir.unwrap_or_else(|| Path::new(".")))?;
    serde_json::to_writer_pretty(&mut file, outcome)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|e| e.error)
}

/// The counts: all parts, then of reasons to leave objects aside and of details those that occurred.
fn lines(outcome: &Outcome) -> Vec<(String, String)> {
    let counts = &outcome.counts;
    let read_back = counts[Counter::Verified] + counts[Counter::Unverified] > 0;
    let mut lines = Vec::new();
    let mut summed = false;
    for (spec, n) in counts.iter() {
        if spec.role.is_skipped() && !summed {
            summed = true;
            lines.push((SKIPPED.to_owned(), count(counts.skipped())));
        }
        let of_read_back = [Counter::Verified, Counter::Unverified].iter().any(|counter| counter.spec() == spec);
        match spec.role {
            Role::Input => {}
            Role::Part | Role::Finding => lines.push((spec.title.to_owned(), count(n))),
            Role::Skipped | Role::SkippedFinding if n > 0 => lines.push((format!("  {}", spec.title), count(n))),
            Role::Detail | Role::DetailFinding if n > 0 || (of_read_back && read_back) => {
                lines.push((spec.title.to_owned(), count(n)));
            }
            _ => {}
        }
    }
    if outcome.options.only_outside > 0 {
        lines.push(("named, out of the span".to_owned(), count(outcome.options.only_outside)));
    }
    lines
}

/// How rows got in, what it waited for, how recent the warehouse is again, and what can be taken back.
fn write_course(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !outcome.method.is_empty() {
        writeln!(f, "loaded by {}, {} transactions", outcome.method, count(outcome.transactions))?;
    }
    let ThrottleStats { slow_downs, retries, min_concurrency: lowest_limit } = outcome.pressure;
    if retries > 0 {
        let limit = lowest_limit.map_or(String::new(), |limit| format!(", down to {limit} at once"));
        writeln!(f, "the lake was asked again {} times ({} to slow down{limit})", count(retries), count(slow_downs))?;
    }
    for Pause { reason, times, seconds } in &outcome.pauses {
        writeln!(f, "waited {} for {reason} ({} times)", duration(*seconds), count(*times))?;
    }
    if let Some(newest) = outcome.newest_row_ts {
        let cutoff = outcome.cutoff.filter(|fence| *fence >= newest);
        let before = cutoff.map_or(String::new(), |fence| format!(", {} before the cutoff", between(newest, fence)));
        writeln!(f, "newest record back: processed {}{before}", newest.format("%F %T UTC"))?;
    }
    for undo in outcome.undo_earlier.iter().chain(&outcome.undo) {
        writeln!(f, "the values that were overwritten are in {undo}")?;
    }
    if let Some(TableSwap { shadow, table, old, swapped, only_in_old, why_not, .. }) = &outcome.cut_over {
        match (swapped, old) {
            (true, Some(old)) => writeln!(f, "{table} is the new table; the old one is kept as {old}")?,
            (true, None) => writeln!(f, "{table} is the new table")?,
            (false, _) => writeln!(f, "the records are in {shadow}, which was not swapped in")?,
        }
        if let Some(why) = why_not {
            writeln!(f, "not swapped: {why}")?;
        }
        if *only_in_old > 0 {
            writeln!(f, "{} rows of the old table are in no object of the lake", count(*only_in_old))?;
        }
    }
    if !outcome.run.is_empty() {
        writeln!(f, "run {}", outcome.run)?;
    }
    Ok(())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = self.counts[Counter::Listed];
        let rate = listed as f64 / self.seconds.max(1e-3);
        let resumed = if self.resumed { ", resumed" } else { "" };
        writeln!(f, "replay: {} objects in {} ({rate:.0}/s{resumed})", count(listed), duration(self.seconds))?;
        let lines = lines(self);
        let lines: Vec<_> = lines.iter().map(|(title, n)| (title.as_str(), n.clone())).collect();
        write!(f, "{}", LabelledRows(&lines))?;
        if self.selects_nothing() {
            writeln!(f, "the drift file names no object that is meant: there was nothing to load")?;
        }
        write!(f, "{}", self.problems)?;
        write_course(self, f)?;
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
            writeln!(f, "to go on, {}", self.resume_hint())?;
        }
        Ok(())
    }
}
