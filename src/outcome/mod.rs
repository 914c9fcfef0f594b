//! Common parts of all outcomes: exit codes, counters, problems, and reading an outcome back from JSON.
//!
//! Each job defines its own outcome, with `check()` and `merge()`. [`crate::render`] owns text, JSON and HTML.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::{NoContext, Timestamp, Uuid};

mod counts;
mod problems;
mod read_back;
mod shard_times;
mod text;

pub(crate) use counts::counters;
pub use counts::{Counter, Counts, Role, Spec, optional};
pub use problems::{Problem, Problems};
#[cfg(test)]
pub(crate) use read_back::through_json;
pub use read_back::{Unread, read_back};
pub use shard_times::ShardTimes;
pub(crate) use shard_times::took;
pub(crate) use text::{between, count, counted, duration, millis, rate, rounded};

/// End of a run, as an exit code for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Completed without findings.
    Clean,
    /// Completed with drift, rejected or failed messages.
    Findings,
    /// Could not run, because of usage, access or schema.
    CouldNotRun,
    /// Stopped early; the run can be resumed.
    Stopped,
}

impl Exit {
    /// Returns the exit code of the process.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::CouldNotRun => 2,
            Self::Stopped => 3,
        }
    }
}

/// The outcome of a command: its text for users, its JSON for scripts, and its exit code.
pub trait CommandOutcome: fmt::Display + Serialize {
    /// Returns how the run ended.
    fn exit(&self) -> Exit;
}

/// Creates an id for a run that starts at this instant (UUID version 7, ordered by time).
pub(crate) fn run_id(started: DateTime<Utc>) -> Uuid {
    let seconds = started.timestamp().max(0).unsigned_abs();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, started.timestamp_subsec_nanos()))
}
