//! What repair did about the findings, or would do.

use std::fmt;

use serde::Serialize;

use crate::outcome::Problems;
use crate::reconcile::Action;
use crate::render::{Lines, count};
use pipeline::lake::ConditionalWrites;

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
    /// Objects that got other values.
    pub objects_replaced: u64,
    /// Of these, read back and found right.
    pub verified: u64,
    /// Findings that could not be mended although they should.
    pub failed: u64,
    /// Findings that are left as they are.
    pub left: u64,
    /// Why nothing was changed: it would have been more than was allowed.
    pub over_budget: Option<String>,
    /// Where what was changed is written down, to be put back with `--undo`.
    pub undo_file: Option<String>,
    /// Support of the lake's store for conditional writes; `None` if no object was to be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// Why it ended early.
    pub stopped: Option<String>,
    /// Why, a line a kind.
    pub reasons: Vec<String>,
    /// What failed, each with its key or id.
    pub problems: Problems,
}

impl Repaired {
    /// Counts a change, done or planned.
    pub(crate) fn count(&mut self, action: Action) {
        *match action {
            Action::Insert => &mut self.inserted,
            Action::Update => &mut self.updated,
            Action::WriteObject => &mut self.objects_written,
            Action::ReplaceObject => &mut self.objects_replaced,
        } += 1;
    }

    /// All changes.
    pub fn changes(&self) -> u64 {
        self.inserted + self.updated + self.objects_written + self.objects_replaced
    }
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planned = self.dry_run || self.over_budget.is_some();
        let (title, [inserted, updated, written, replaced]) = if planned {
            let what = ["insert rows", "update rows", "write objects", "replace objects"];
            ("repair would do this; nothing was changed", what)
        } else {
            ("repaired", ["rows inserted", "rows updated", "objects written", "objects replaced"])
        };
        writeln!(f, "{title}:")?;
        let mut lines = vec![
            (inserted, count(self.inserted)),
            (updated, count(self.updated)),
            (written, count(self.objects_written)),
        ];
        if self.objects_replaced > 0 {
            lines.push((replaced, count(self.objects_replaced)));
        }
        if !planned {
            lines.push(("read back right", count(self.verified)));
            lines.push(("failed", count(self.failed)));
        }
        lines.push(("left as they are", count(self.left)));
        write!(f, "{}", Lines(&lines))?;
        for reason in &self.reasons {
            writeln!(f, "  {reason}")?;
        }
        if let Some(why) = &self.over_budget {
            writeln!(f, "  {why}")?;
        }
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        if let Some(file) = &self.undo_file {
            writeln!(f, "  what was changed is in {file}: `ruminate reconcile --undo {file}` puts it back")?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "  repair stopped early: {why}")?;
            writeln!(f, "  to go on, run the same command again")?;
        }
        write!(f, "{}", self.problems)
    }
}
