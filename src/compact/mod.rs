//! Compaction: objects of the lake → Parquet parts next to it, incrementally. Plan → survey → rewrite → put → verify.
//!
//! This module owns the choice of parts and of their sources, and the accounting; [`crate::parts`] owns the format and
//! the verification of parts, and [`crate::reader`] reads the objects.
//!
//! A part is written again only if its days differ from the listing. Rows of unchanged objects come from the previous
//! part; only new and changed objects are read. A file is written with `If-None-Match: *` or replaced with `If-Match`:
//! after a race or a kill there is one complete part. Objects are never changed.
//!
//! Parts are a copy of the objects, so rows are not dropped silently: a part that has rows of objects that no longer exist
//! is left as it is, unless [`OnDeleted::Drop`] was requested. The same applies to a damaged part whose days are not exactly
//! those of the listed objects, because it may have such rows.
//!
//! # Files
//!
//! | file | content |
//! | --- | --- |
//! | `existing` | The part that an earlier run wrote, and whether it can be trusted |
//! | `fetch` | Reads the objects that have no row yet, in batches |
//! | `listing` | Listing of a part's objects, in pieces, and the category of each |
//! | `write_error` | Reasons why a part was not written |
//! | `outcome` | Outcome: every listed object in one count |
//! | `plan` | Plan: which parts the lake should have |
//! | `rewrite` | Writes a part into a temporary file: rows of the previous part, and objects that are read |
//! | `run` | Runs a compaction: several parts at a time |
//! | `token_age` | Wait until an object is old enough that no later write can have its change token |
//! | `source` | Source of a part's rows: the listing, compared with the previous part |
//! | `survey` | Comparison of a part with the listing, without reading objects |
//! | `part_update` | One part: survey, rewrite, put and verification |
//! | `verify` | Verification of a part: its hashes, its bodies, a sample of objects |

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::parts::Month;
use pipeline::lake::{Lake, Span};

mod existing;
mod fetch;
mod listing;
mod outcome;
mod part_update;
mod plan;
mod rewrite;
mod run;
mod source;
mod survey;
#[cfg(test)]
mod tests;
mod token_age;
mod verify;
mod write_error;

pub use outcome::{Counter, Outcome};
pub use run::{months, run};

/// Number of rows above which a month has one part per day.
pub const MONTH_ROWS: u64 = 4_000_000;

/// Content of the original objects that a part keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    /// The complete objects, so that they can be restored byte for byte.
    #[default]
    Keep,
    /// The fields that are not columns. Objects without a record are kept completely.
    ExtraFields,
}

/// Verification of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// No verification.
    #[default]
    None,
    /// Every part is read back, and a sample of its objects is read.
    Sample,
    /// In addition, every body is compared with its ETag if that is an MD5.
    Deep,
}

/// Policy for rows of objects that no longer exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeleted {
    /// Leave the part as it is, and report it.
    #[default]
    Hold,
    /// Write the part without them.
    Drop,
}

/// Month of a farm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FarmMonth {
    /// Month of the lake's paths.
    pub month: Month,
    /// Folder of the farm in the lake.
    pub farm: String,
}

/// Shard of a compaction: some of its months.
#[derive(Debug, Clone)]
pub struct CompactShard {
    /// Months of the shard.
    pub months: BTreeSet<FarmMonth>,
    /// If true, objects outside of the paths of days are counted.
    pub strays: bool,
    /// Cutoff of all shards.
    pub cutoff: DateTime<Utc>,
}

/// A compaction.
#[derive(Debug, Clone)]
pub struct Compaction {
    /// The lake.
    pub lake: Arc<dyn Lake>,
    /// Farms and days; the months of these days are compacted.
    pub span: Span,
    /// Number of concurrent object reads.
    pub reads: usize,
    /// What is kept of the original objects.
    pub bodies: Bodies,
    /// How parts are verified.
    pub verification: Verification,
    /// What to do with rows of objects that no longer exist.
    pub on_deleted: OnDeleted,
    /// If true, nothing is read or written: only listings are compared.
    pub dry_run: bool,
    /// If true, an empty lake or span is accepted. Otherwise it is an error, because it usually means a mistyped address.
    pub allow_empty: bool,
    /// Number of rows above which a month has one part per day.
    pub month_rows: u64,
    /// Directory for files before they are complete.
    pub temp_dir: PathBuf,
    /// Shard of the compaction. `None` for all of it.
    pub shard: Option<CompactShard>,
}

impl Compaction {
    /// Returns the span of the months that are compacted.
    pub fn whole_months(&self) -> Span {
        plan::whole_months(&self.span)
    }

    /// Returns the compaction of a complete lake with the default settings.
    pub fn of(lake: Arc<dyn Lake>) -> Self {
        Self {
            reads: lake.read_hints().concurrent_reads,
            lake,
            span: Span::default(),
            bodies: Bodies::default(),
            verification: Verification::default(),
            on_deleted: OnDeleted::default(),
            dry_run: false,
            allow_empty: false,
            month_rows: MONTH_ROWS,
            temp_dir: std::env::temp_dir(),
            shard: None,
        }
    }
}
