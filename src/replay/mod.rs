//! Replay: rebuilds a lost or damaged warehouse from the lake. Plan → read → sort → load → verify.
//!
//! One side reads partitions by day, with farms interleaved, and sorts by primary key (`reader`, `order`). The other
//! side loads batches of about 1 second (`coordinator`, `batching`, `workers`). Each batch and its journal entry are
//! one transaction (`load`, `journal_entries`), and the server's load is limited (`throttle`).
//!
//! A resumed run does not repeat completed work (`resume`, `matching`, `days`). Running a replay again changes nothing.
//! [`Policy`] decides what happens to a row with other values. The result of a run is its [`Outcome`]; the renderer
//! creates text and HTML.
//!
//! # Files
//!
//! | file | content |
//! | --- | --- |
//! | `batching` | Fills batches, and adjusts their size so that a transaction takes about 1 second |
//! | `coordinator` | Loading side of a run: receives records from the reading side, and passes them to the workers in batches |
//! | `days` | Determines when a day is complete: all its records are in batches, and all these batches are loaded |
//! | `entry_hash` | Hash of the objects that a replay read |
//! | `journal_entries` | Journal of a run in the warehouse, written in the same transactions as the rows it describes |
//! | `journal_counts` | Counts in the journal's format: with short names, and only if they are not 0 |
//! | `left` | Records that a shard of a replay defers to the merge, because another shard may load the same id |
//! | `load` | Loads a batch of records into the warehouse; each part and its journal entries share one transaction |
//! | `load_error` | Reasons why a batch was not loaded |
//! | `matching` | Matches the records that a resumed run reads with the batches of an earlier session |
//! | `order` | Sorts records, so that rows reach the warehouse in primary key order |
//! | `outcome` | Outcome of a replay: every listed object in one count, with the time and resources of the run |
//! | `plan` | Plan of a replay: the partitions to read, the span, and the cutoff |
//! | `planned_objects` | Objects that a run reads, each of them once although catch-up runs overlap |
//! | `policy` | Handling of rows whose values differ from the lake |
//! | `preview` | Dry run of a replay: lists every object and reads a sample, without changes |
//! | `reader` | Reading side of a run: reads the lake day by day into sorters, and counts all objects without a record to load |
//! | `resume` | Progress of an earlier session of a run, as far as its rows still exist |
//! | `run` | Runs a replay: one side reads and sorts, the other loads, and every object is accounted for |
//! | `selection` | Selection of the records of a run by limits on their content |
//! | `session` | Journal of a run in one session, from opening to closing; the run is new or resumed |
//! | `settings` | Settings of a replay: what to read, where to load it, and the throttle |
//! | `table_swap` | Replaces a damaged table: loads a new table, verifies it, catches up with new objects, and swaps it in |
//! | `tally` | Counts of objects by result: per day, per batch and per run |
//! | `throttle` | Throttles a run on a live server: checks all signals before each batch, and waits while any limit is exceeded |
//! | `workers` | Runs a bounded number of concurrent tasks, and returns each result as it completes |

mod batching;
mod coordinator;
mod days;
mod entry_hash;
mod journal_counts;
mod journal_entries;
mod left;
mod load;
mod load_error;
mod matching;
mod order;
mod outcome;
mod plan;
mod planned_objects;
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

pub use crate::reader::ObjectSelection;
pub use crate::sort::SortSettings;
pub use left::LeftObjects;
pub(crate) use outcome::SKIPPED;
pub use outcome::{
    Counter, DayCounts, Days, ObjectCounts, Outcome, Pause, Preview, ReadSample, ReplayOptions, TableSwap,
};
pub use plan::{Plan, ReplayShard, ReplaySource};
pub use policy::Policy;
pub use run::run;
pub use selection::RecordFilter;
pub use settings::{JournalMode, Replay, ResumableRun, find_resumable_run, journal_of_run};
pub use table_swap::{SwapOptions, replay_into_new_table, shadow_table_name};
pub use throttle::{ReloadLimits, ThrottleLimits, ThrottleSettings};
