//! Text of the outcome of `replay`, and its JSON file.

use std::fmt;

use pipeline::lake::ThrottleStats;

use super::parts::FromParts;
use super::{LabelledRows, ProblemLines, between, count, counted, duration, one_line, password_hint, rate, took};
use crate::outcome::{Counter as _, Role};
use crate::replay::{Counter, Outcome, Pause, SKIPPED, TableSwap};

mod preview;

/// Returns the counts: all parts, then the skip reasons and details that occurred.
fn lines(outcome: &Outcome) -> Vec<(String, String)> {
    let counts = &outcome.counts;
    let read_back = counts[Counter::Verified] + counts[Counter::Mismatched] > 0;
    let mut lines = Vec::new();
    let mut summed = false;
    for (spec, n) in counts.iter() {
        if spec.role.is_skipped() && !summed {
            summed = true;
            lines.push((SKIPPED.to_owned(), count(counts.skipped())));
        }
        let of_read_back = [Counter::Verified, Counter::Mismatched].iter().any(|counter| counter.spec() == spec);
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
    if outcome.options.selected_out_of_span > 0 {
        lines.push(("listed, outside the span".to_owned(), count(outcome.options.selected_out_of_span)));
    }
    lines
}

/// Writes the loading method, the waits, the recovery point, and how to revert changes.
fn write_details(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !outcome.method.is_empty() {
        let transactions = counted(outcome.transactions, "transaction", "transactions");
        writeln!(f, "load method: {}; {transactions}", outcome.method)?;
    }
    let ThrottleStats { slow_downs, retries, min_concurrency } = outcome.lake_throttling;
    if retries > 0 {
        let limit = min_concurrency.map_or(String::new(), |limit| format!(", concurrency down to {limit}"));
        let retries = counted(retries, "lake request", "lake requests");
        writeln!(f, "{retries} retried ({} throttled{limit})", count(slow_downs))?;
    }
    write!(f, "{}", FromParts(outcome.from_parts.as_ref()))?;
    for Pause { reason, count: times, seconds } in &outcome.pauses {
        let (took, why) = (duration(*seconds), why_paused(reason));
        match times {
            1 => writeln!(f, "paused once, for {took}, {why}")?,
            times => writeln!(f, "paused {} times, {took} in total, {why}", count(*times))?,
        }
    }
    if let Some(newest) = outcome.newest_row_ts {
        let cutoff = outcome.cutoff.filter(|cutoff| *cutoff >= newest);
        let before = cutoff.map_or(String::new(), |cutoff| format!(", {} before the cutoff", between(newest, cutoff)));
        writeln!(f, "newest record recovered: processed {}{before}", newest.format("%F %T UTC"))?;
    }
    for undo in outcome.earlier_undo_files.iter().chain(&outcome.undo_file) {
        writeln!(f, "undo file: {undo}")?;
    }
    for command in outcome.undo_commands.iter().rev() {
        writeln!(f, "to revert, run: {command}{}", password_hint(command))?;
    }
    if let Some(TableSwap { shadow, table, old, swapped, only_in_old, reason, .. }) = &outcome.table_swap {
        match (swapped, old) {
            (true, Some(old)) => writeln!(f, "{table} now is the new table; the old one is {old}")?,
            (true, None) => writeln!(f, "{table} now is the new table")?,
            (false, _) => writeln!(f, "the records are in {shadow}; the tables were not swapped")?,
        }
        if let Some(why) = reason {
            writeln!(f, "not swapped: {}", one_line(why))?;
        }
        if *only_in_old > 0 {
            writeln!(f, "{} only in the old table", counted(*only_in_old, "row exists", "rows exist"))?;
        }
        let added = outcome.rows_added_before_swap();
        if let (1.., Some(old)) = (added, old) {
            writeln!(
                f,
                "{} rows were added to the old table shortly before the swap and have no object: `ruminate reconcile --table {old} --repair lake` writes them as objects, and a replay loads these",
                count(added)
            )?;
        }
    }
    if !outcome.run_id.is_empty() {
        let name = if outcome.shards.is_some() { "plan" } else { "run" };
        writeln!(f, "{name} {}", outcome.run_id)?;
    }
    Ok(())
}

/// Returns why a run waited, as the end of a sentence.
fn why_paused(reason: &str) -> String {
    match reason {
        "rows per second" => "to keep --rows-per-second".into(),
        "threads running" => "to keep --max-threads-running".into(),
        "replica lag" => "to keep --max-replica-lag".into(),
        "pause file" => "while the --pause-file existed".into(),
        "throttle query" => "while the --throttle-query returned more than 0".into(),
        "no server" => "while the warehouse was unavailable".into(),
        "locked rows" => "while other sessions locked the rows".into(),
        "no signal" => "while a throttling signal was unavailable".into(),
        other => format!("for {other}"),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = self.counts[Counter::Listed];
        let (objects, took) = (counted(listed, "object", "objects"), took(self.seconds, self.shards.as_ref()));
        let rate = |records: u64| rate(records as f64 / self.seconds.max(1e-3));
        if self.resumed {
            let loaded = self.session_records;
            writeln!(
                f,
                "replay: {objects}, {} of them in this session in {took} ({}), resumed",
                count(loaded),
                rate(loaded)
            )?;
        } else if self.shards.is_some() {
            // A rate depends on how many shards ran at the same time.
            writeln!(f, "replay: {objects} in {took}")?;
        } else {
            writeln!(f, "replay: {objects} in {took} ({})", rate(listed))?;
        }
        write!(f, "{}", LabelledRows(&lines(self)))?;
        if self.selects_nothing() {
            writeln!(f, "the drift file lists no object in this span: nothing to load")?;
        }
        if self.excludes_everything() {
            writeln!(f, "nothing was loaded: {}", self.excluded_by())?;
        }
        write!(f, "{}", ProblemLines::of(&self.problems, self.shards.is_some()))?;
        write_details(self, f)?;
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {}", one_line(why))?;
            writeln!(f, "to resume, {}", self.resume_hint())?;
        }
        Ok(())
    }
}
