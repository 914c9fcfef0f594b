//! What the outcomes of all jobs share: how a run ended, counters, problems, and reading an outcome back from its JSON.
//!
//! Each job owns its outcome, with `check()` and `merge()`. Text, JSON and HTML are [`crate::render`]'s.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::{NoContext, Timestamp, Uuid};

mod counts;
mod problems;
mod read_back;
mod text;

pub(crate) use counts::counters;
pub use counts::{Counter, Counts, Role, Spec, optional};
pub use problems::{Problem, Problems};
pub use read_back::{Unread, read_back};
pub(crate) use text::{between, count, duration};

/// How a run ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything was done and nothing was wrong.
    Clean,
    /// Everything was done, and drift, rejects or failed messages were found.
    Findings,
    /// It could not run: usage, access, schema.
    CouldNotRun,
    /// It stopped early and can be resumed.
    Stopped,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::CouldNotRun => 2,
            Self::Stopped => 3,
        }
    }
}

/// What a command found: its text for people, its JSON for scripts, and how the run ended.
pub trait CommandOutcome: fmt::Display + Serialize {
    /// How the run ended.
    fn exit(&self) -> Exit;
}

/// A new id for a run that begins at this instant (UUID version 7: ordered by time).
pub(crate) fn run_id(started: DateTime<Utc>) -> Uuid {
    let seconds = started.timestamp().max(0).unsigned_abs();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, started.timestamp_subsec_nanos()))
}
