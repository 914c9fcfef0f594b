//! Replay: the lake brings a lost or damaged warehouse back. Plan → read → order → load → verify.
//!
//! One side reads partitions by day, farms interleaved, and sorts by primary key (`read`, `order`); the other loads batches
//! of a second or so (`coordinator`, `batching`, `workers`), each with the journal's entry about it in one transaction
//! (`load`, `journal`), no faster than the server may be strained (`throttle`). A run that is resumed does not do again what
//! is done (`resume`, `matching`, `days`). Replaying again changes nothing; what happens to a row that holds other values is
//! [`Policy`]'s. What a run came to is its [`Outcome`]; text and HTML are the renderer's.

mod batching;
mod coordinator;
mod cut_over;
mod days;
mod journal;
mod journal_counts;
mod load;
mod load_error;
mod matching;
mod only;
mod order;
mod outcome;
mod plan;
mod policy;
mod preview;
mod read;
mod resume;
mod run;
mod seen;
mod session;
mod settings;
mod tally;
#[cfg(test)]
mod tests;
mod throttle;
mod workers;

pub use crate::sort::SortSettings;
pub use cut_over::{SwapOptions, replay_into_new_table, shadow_table_name};
pub use only::{ObjectSelection, RecordFilter};
pub(crate) use outcome::SKIPPED;
pub use outcome::{
    ClassCounts, Counter, DayCounts, Days, ObjectCounts, Outcome, Pause, Preview, ReadSample, ReplayOptions, TableSwap,
};
pub use plan::{Plan, ReplaySource};
pub use policy::Policy;
pub use run::run;
pub use settings::{JournalMode, Replay, ResumableRun, find_resumable_run};
pub use throttle::{ReloadLimits, ThrottleLimits, ThrottleSettings};
