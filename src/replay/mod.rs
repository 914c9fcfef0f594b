//! Replay: the lake brings a lost or damaged warehouse back. Plan → read → order → load → verify.
//!
//! One side reads partitions by day, farms interleaved, and sorts by primary key (`reader`, `order`); the other loads batches
//! of a second or so (`coordinator`, `batching`, `workers`), each with the journal's entry about it in one transaction
//! (`load`, `journal`), no faster than the server may be strained (`throttle`). A run that is resumed does not do again what
//! is done (`resume`, `matching`, `days`). Replaying again changes nothing; what happens to a row that holds other values is
//! [`Policy`]'s. What a run came to is its [`Outcome`]; text and HTML are the renderer's.

mod batching;
mod coordinator;
mod days;
mod entry_hash;
mod journal;
mod journal_counts;
mod load;
mod load_error;
mod matching;
mod order;
mod outcome;
mod plan;
mod policy;
mod preview;
mod reader;
mod resume;
mod run;
mod selection;
mod session;
mod settings;
mod table_swap;
mod tally;
#[cfg(test)]
mod tests;
mod throttle;
mod workers;

pub use crate::sort::SortSettings;
pub(crate) use outcome::SKIPPED;
pub use outcome::{
    ClassCounts, Counter, DayCounts, Days, ObjectCounts, Outcome, Pause, Preview, ReadSample, ReplayOptions, TableSwap,
};
pub use plan::{Plan, ReplaySource};
pub use policy::Policy;
pub use run::run;
pub use selection::{ObjectSelection, RecordFilter};
pub use settings::{JournalMode, Replay, ResumableRun, find_resumable_run};
pub use table_swap::{SwapOptions, replay_into_new_table, shadow_table_name};
pub use throttle::{ReloadLimits, ThrottleLimits, ThrottleSettings};
