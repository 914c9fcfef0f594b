//! Text of a compaction.

use std::fmt;

use bytesize::ByteSize;

use super::{LabelledRows, ProblemLines, count, counted, rate, rows, took};
use crate::compact::{Counter, Outcome};
use crate::outcome::Counter as _;

/// Counters that are shown only if they are not 0.
const RARE: [Counter; 17] = [
    Counter::TooLarge,
    Counter::Held,
    Counter::NotWritten,
    Counter::Pending,
    Counter::Fetched,
    Counter::Carried,
    Counter::Written,
    Counter::Unchanged,
    Counter::Removed,
    Counter::NotTrusted,
    Counter::Deleted,
    Counter::Dropped,
    Counter::Verified,
    Counter::Sampled,
    Counter::Md5,
    Counter::NoMd5,
    Counter::Mismatched,
];

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dry = if self.dry_run { " (dry run: nothing was read or written)" } else { "" };
        let listed = self[Counter::Listed];
        let took = took(self.seconds, self.shards.as_ref());
        let rate = match self.shards {
            Some(_) => String::new(),
            None => format!(" ({})", rate(listed as f64 / self.seconds.max(1e-3))),
        };
        writeln!(f, "compact: {} in {took}{rate}{dry}", counted(listed, "object", "objects"))?;
        let skips = self.skips.iter().filter(|(_, n)| *n > 0).map(|(skip, n)| (skip.spec().title, count(n)));
        let lines: Vec<_> = rows(&self.counts, &[Counter::Listed], &RARE).into_iter().chain(skips).collect();
        let problems = ProblemLines::of(&self.problems, self.shards.is_some());
        write!(f, "{}{problems}", LabelledRows(&lines))?;
        if self.part_bytes > 0 {
            let (parts, objects) =
                (ByteSize::b(self.part_bytes).display().si(), ByteSize::b(self.object_bytes).display().si());
            writeln!(f, "parts: {parts} for {objects} of objects, in {}", self.parts)?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
        }
        Ok(())
    }
}
