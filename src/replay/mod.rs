//! Replay: rebuilds a lost or damaged warehouse from the lake. Plan → read → sort → load → verify.
//!
//! One side reads partitions by day, with farms interleaved, and sorts by primary key (`reader`, `order`). The other
//! side loads batches of about 1 second (`coordinator`, `batching`, `workers`). Each batch and its journal entry are
//! one transaction (`load`, `journal`), and the server's load is limited (`throttle`).
//!
//! A resumed run does not repeat completed work (`resume`, `matching`, `days`). Running a replay again changes nothing.
//! [`Policy`] decides what happens to a row with other values. The result of a run is its [`Outcome`]; the renderer
//! creates text and HTML.

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
