//! Text of a restore.

use std::fmt;

use bytesize::ByteSize;

use super::{LabelledRows, counted, duration, rows};
use crate::restore::{Counter, Outcome};

/// Counters that are shown only if they are not 0.
const RARE: [Counter; 5] = [Counter::NoBody, Counter::Left, Counter::NotTrusted, Counter::Proved, Counter::NotFound];

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dry = if self.dry_run { " (dry run: nothing was written)" } else { "" };
        writeln!(
            f,
            "restore: {}, {}, to {} in {}{dry}",
            counted(self[Counter::Restored], "object", "objects"),
            ByteSize::b(self.bytes).display().si(),
            self.to,
            duration(self.seconds)
        )?;
        let lines = rows(&self.counts, &[Counter::Restored], &RARE);
        write!(f, "{}{}", LabelledRows(&lines), self.problems)?;
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
        }
        Ok(())
    }
}
