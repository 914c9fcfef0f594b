//! Replay: the lake brings a lost or damaged warehouse back. Plan → read → order → load → verify.
//!
//! One side reads partitions by day, farms interleaved, and sorts by primary key (`order`); the other loads batches of a
//! second or so, each with the journal's note of it in one transaction (`load`, `journal`), no faster than the server may
//! be strained (`brake`). Replaying again changes nothing; what happens to a row that holds other values is [`Policy`]'s.

mod brake;
mod cut_over;
mod journal;
mod journal_counts;
mod load;
mod only;
mod order;
mod outcome;
mod plan;
mod preview;
mod read;
mod run;
mod seen;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt;

pub use crate::sort::SortSettings;
pub use brake::{Limits, Reload};
pub use cut_over::{Swap, cut_over, shadow_of};
pub use only::{Filter, Only};
pub(crate) use outcome::SKIPPED;
pub use outcome::{
    ClassCounts, Counter, DayCounts, Days, ObjectCounts, Outcome, Pause, Preview, ReadSample, ReplayOptions, TableSwap,
};
pub use plan::{Plan, Source};
pub use run::{Earlier, Keep, Replay, earlier, run};

/// What to do where a row holds other values than the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Policy {
    /// The row stays; the conflict is reported with both values.
    #[default]
    Keep,
    /// The lake's values replace the row's, which are written to an undo file first.
    Overwrite,
    /// Stop at the first conflict.
    Fail,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Overwrite => "overwrite",
            Self::Fail => "fail",
        })
    }
}
