//! What repair did about the findings, or would do.

use std::fmt;

use serde::Serialize;

use crate::report::{Lines, Problems, count};

/// What repair did, or would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Repaired {
    /// Only planned: nothing was changed.
    pub dry_run: bool,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Objects written.
    pub objects_written: u64,
    /// Of these, read back and found right.
    pub verified: u64,
    /// Findings that could not be mended although they should.
    pub failed: u64,
    /// Findings that are left as they are.
    pub left: u64,
    /// Why it ended early.
    pub stopped: Option<String>,
    /// Why, a line a kind.
    pub reasons: Vec<String>,
    /// What failed, each with its key or id.
    pub problems: Problems,
}

impl Repaired {
    pub(crate) fn planned(&mut self, insert: bool, update: bool) {
        let count = match (insert, update) {
            (true, _) => &mut self.inserted,
            (_, true) => &mut self.updated,
            _ => &mut self.objects_written,
        };
        *count += 1;
    }

    pub(crate) fn done(&mut self, insert: bool, update: bool) {
        self.planned(insert, update);
        self.verified += 1;
    }
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, inserted, updated, written) = if self.dry_run {
            ("repair would do this; nothing was changed", "insert rows", "update rows", "write objects")
        } else {
            ("repaired", "rows inserted", "rows updated", "objects written")
        };
        writeln!(f, "{title}:")?;
        let mut lines = vec![
            (inserted, count(self.inserted)),
            (updated, count(self.updated)),
            (written, count(self.objects_written)),
        ];
        if !self.dry_run {
            lines.push(("read back right", count(self.verified)));
            lines.push(("failed", count(self.failed)));
        }
        lines.push(("left as they are", count(self.left)));
        write!(f, "{}", Lines(&lines))?;
        for reason in &self.reasons {
            writeln!(f, "  {reason}")?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "  repair stopped early: {why}")?;
            writeln!(f, "  to go on, run the same command again")?;
        }
        write!(f, "{}", self.problems)
    }
}
