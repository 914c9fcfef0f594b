//! What putting back of changes came to.

use std::fmt;

use serde::Serialize;

use crate::outcome::{Exit, Problems};
use crate::render::{Lines, count, duration};
use pipeline::lake::ConditionalWrites;

/// What became of the changes in an undo file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Undone {
    /// Changes that the file tells of; the sum of the four counts below.
    pub changes: u64,
    /// Rows and objects that are again as they were.
    pub restored: u64,
    /// Those that were so already.
    pub already: u64,
    /// Those that were changed since, or are gone, and stay as they are.
    pub changed_since: u64,
    /// Changes that were not looked at, because the run was asked to stop.
    pub left: u64,
    /// Lines that broke off before their changes were made, which are none of these changes.
    pub broken: u64,
    /// Whether nothing was changed because only a look was asked for.
    pub dry_run: bool,
    /// Support of the lake's store for conditional writes; `None` if the file is about no object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// Time of the run.
    pub seconds: f64,
    /// What stays as it is, each with its id or key, and the lines that broke off.
    pub problems: Problems,
}

impl crate::outcome::Outcome for Undone {
    fn exit(&self) -> Exit {
        match (self.left, self.changed_since + self.broken) {
            (0, 0) => Exit::Clean,
            (0, _) => Exit::Found,
            _ => Exit::Stopped,
        }
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.dry_run { "would be put back; nothing was changed" } else { "put back" };
        writeln!(
            f,
            "undo: {} of {} changes {what}, in {}",
            count(self.restored),
            count(self.changes),
            duration(self.seconds)
        )?;
        let mut lines = vec![
            ("restored", count(self.restored)),
            ("restored already", count(self.already)),
            ("changed since", count(self.changed_since)),
            ("lines broken off", count(self.broken)),
        ];
        if self.left > 0 {
            lines.push(("not looked at", count(self.left)));
        }
        write!(f, "{}{}", Lines(&lines), self.problems)?;
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        if self.left > 0 {
            writeln!(f, "stopped early: asked to stop\nto go on, run the same command again")?;
        }
        Ok(())
    }
}
