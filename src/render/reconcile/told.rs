//! An audit as text for a terminal.

use std::fmt;

use super::Outcome;
use crate::reconcile::{Drift, Kind};
use crate::render::{Lines, count, duration};

/// Findings the text shows.
const SHOWN: usize = 20;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (&self.stopped, self.is_clean()) {
            (Some(why), _) => format!("stopped early: {why}"),
            (None, _) if self.halted.is_some() => format!("ended {}", self.halted.as_deref().unwrap_or_default()),
            (None, true) => "lake and warehouse agree".to_owned(),
            (None, false) => match self.drift() + self.archived + self.skipped_foreign {
                1 => "1 finding".to_owned(),
                n => format!("{} findings", count(n)),
            },
        };
        writeln!(
            f,
            "reconcile: {verdict} ({} records against {} rows in {})",
            count(self.lake_records),
            count(self.warehouse_rows),
            duration(self.seconds)
        )?;
        let mut lines = vec![("matched", count(self.matched))];
        if self.quick {
            lines.push(("present on both sides", count(self.present)));
        }
        let kinds: [(&str, u64); 15] = [
            ("lake only", self.lake_only),
            ("warehouse only", self.warehouse_only),
            ("differing", self.differing),
            ("duplicate objects", self.duplicate_objects),
            ("logical duplicates", self.logical_duplicates),
            ("misfiled", self.misfiled),
            ("rule breaks", self.rule_breaks),
            ("unreadable", self.unreadable),
            ("rejected", self.rejected),
            ("missing by the truth", self.truth_missing),
            ("surplus by the truth", self.truth_surplus),
            ("archived", self.archived),
            ("foreign names", self.skipped_foreign),
            ("after the cutoff", self.skipped_after_fence),
            ("dated in the future", self.skipped_future_dated),
        ];
        lines.extend(kinds.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name, count(n))));
        write!(f, "{}", Lines(&lines))?;
        if let Some(truth) = &self.truth {
            write!(f, "{truth}")?;
        }
        for drift in self.samples.iter().take(SHOWN) {
            writeln!(f, "  {}", Line(drift))?;
        }
        let found = self.drift();
        if found > SHOWN as u64 {
            writeln!(f, "  … and {} more (--drift FILE has all)", count(found - SHOWN as u64))?;
        }
        if let Some(said) = self.by_budget() {
            writeln!(f, "  {said}")?;
        }
        if let Some(since) = &self.since {
            writeln!(
                f,
                "  since {}: {} new, {} persisting, {} resolved",
                since.baseline,
                count(since.new),
                count(since.persisting),
                count(since.resolved)
            )?;
        }
        for (cause, n) in &self.causes {
            writeln!(f, "  plainly explained, {}: {cause}", count(*n))?;
        }
        for pattern in &self.patterns {
            writeln!(f, "  {pattern}")?;
        }
        match self.control.hashes() {
            [lake, warehouse] if lake.count + warehouse.count == 0 => {}
            [lake, warehouse] if lake == warehouse => writeln!(f, "  hash total of both sides: {}", lake.digits())?,
            [lake, warehouse] => {
                writeln!(f, "  hash totals: lake {}, warehouse {}", lake.digits(), warehouse.digits())?;
            }
        }
        for gap in self.gaps.iter().take(SHOWN) {
            write!(f, "  nothing on either side: {} {}", gap.farm, gap.from)?;
            if gap.days > 1 {
                write!(f, " to {} ({} days)", gap.to, gap.days)?;
            }
            writeln!(f)?;
        }
        if self.gaps.len() > SHOWN {
            writeln!(f, "  … and {} more gaps (the JSON has all)", self.gaps.len() - SHOWN)?;
        }
        write!(f, "{}", self.problems)?;
        if self.repair_asked { write!(f, "{}", self.repaired) } else { Ok(()) }
    }
}

/// A finding in one line.
struct Line<'a>(&'a Drift);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drift { kind, id, key, fields, reason, .. } = self.0;
        write!(f, "{} {}", kind.name(), id.as_deref().or(key.as_deref()).unwrap_or("–"))?;
        if *kind == Kind::Differing {
            for (name, [lake, warehouse]) in fields {
                write!(f, "  {name}: lake {lake}, warehouse {warehouse}")?;
            }
        } else if let (Some(_), Some(key)) = (id, key) {
            write!(f, "  {key}")?;
        }
        match reason {
            Some(reason) => write!(f, "  ({reason})"),
            None => Ok(()),
        }
    }
}
