//! Reconcile: compares lake and warehouse, record by record and field by field, and repairs differences.
//!
//! The lake is read once and sorted by id, on disk above a memory limit. At the same time, the warehouse is scanned
//! once in id order from a consistent snapshot. Both are merged. Apparent drift is rechecked before it is reported.
//! [`repair()`] repairs what can be repaired.
//!
//! | id in the lake | id in the warehouse | verdict |
//! | --- | --- | --- |
//! | a record | a row with the same values | matched |
//! | a record | a row with other values | differing |
//! | a record | none | lake_only |
//! | none | a row | warehouse_only |
//! | an id | the same id except for case or outer white space | differing, in `id_treated_data` |
//! | more than one object | any | one is compared as above, each other one is a duplicate_object |
//! | the name of an object that was not opened (`quick`) | a row | present |
//! | only in the name of an object that cannot be compared (unreadable, rejected, archived, too new) | a row | not compared |
//!
//! # Files
//!
//! | file | content |
//! | --- | --- |
//! | `action` | Actions of a repair: what it writes for a finding |
//! | `audit_shard` | Range and cutoff of a shard of an audit |
//! | `baseline` | Compares findings with those of an earlier audit: new, persisting, resolved |
//! | `budget` | Amount of drift that an audit accepts |
//! | `cause` | Likely causes of a difference, inferred from the two values alone |
//! | `drift` | JSON form of a finding: a line of the drift file, a sample in the outcome |
//! | `emptiness` | Rejects an audit in which one side is empty, unless this is explicitly allowed |
//! | `entries` | Entries that an audit sorts on disk: lake objects by id, warehouse rows, natural keys by hash, and findings |
//! | `farm_days` | Map by farm and day |
//! | `finding` | Finding of an audit as a repair needs it: its kind, its stability, and the values of both sides |
//! | `finding_file` | Files to which findings are written during an audit: the optional drift file, and a file for the repair |
//! | `findings` | Findings of an audit: candidates that are rechecked, findings that are reported, and the counts of both sides |
//! | `gaps` | Gaps that both sides have in common: days of a farm without a record between days with records |
//! | `ingest_path` | Ingest path of a history, which determines where its lines must be stored |
//! | `intact` | Which side of a difference is intact: the only one whose values match the id |
//! | `lake_side` | Lake side of an audit: reads everything once, counts objects that cannot be compared, and sorts the rest by id |
//! | `comparison` | Merge of both sides in id order; each group is classified by the table in the documentation of this module |
//! | `one_sided` | Candidates of one side only, collected until both sides were read |
//! | `outcome` | Outcome of an audit: counts that must add up, control totals, samples, and the results of a repair |
//! | `shard` | Audit in shards, which can run anywhere and in any order, and the step that combines them |
//! | `patterns` | Patterns: farms and days in which the findings of a kind or cause are concentrated |
//! | `recheck` | Rechecks candidates |
//! | `repair` | Repair: fixes findings in the requested direction, and verifies each by reading it again |
//! | `run` | Runs an audit: both sides, the merge, the rechecks, and the natural keys |
//! | `sorters` | Sorters of an audit, which share one directory and one memory limit |
//! | `spool` | Buffer between a stream that must not wait and a reader that may be slow: some pages in memory, the rest on disk |
//! | `tolerance` | Accepted differences between two values, as set by the user; off by default |
//! | `truth` | Truth check: which records the stores and the quarantine must contain, and which they must not |
//! | `truth_entries` | Entries of truth files that are sorted on disk: ids, hashes of invalid messages, and unresolved ids |
//! | `truth_location` | Location of a finding in a truth file |
//! | `deferred` | Evidence that a shard of an audit defers to the step that combines all shards, and the ids that the shard compared |
//! | `verdict` | Verdicts of an audit: its counters of objects and rows, and the kinds of findings |
//! | `warehouse_side` | Warehouse side of an audit: reads every row once, from one snapshot, in the order of the merge |
//! | `window` | Selection of the records and rows in an audit of some farms and days, by their content |

mod action;
mod audit_shard;
mod baseline;
mod budget;
mod cause;
mod comparison;
mod deferred;
mod drift;
mod emptiness;
mod entries;
mod farm_days;
mod finding;
mod finding_file;
mod findings;
mod gaps;
mod ingest_path;
mod intact;
mod lake_side;
mod one_sided;
pub mod outcome;
mod patterns;
mod recheck;
mod repair;
mod run;
mod shard;
mod sorters;
mod spool;
mod tolerance;
mod truth;
mod truth_entries;
mod truth_location;
mod verdict;
mod warehouse_side;
mod window;

use std::path::PathBuf;
use std::sync::Arc;

use crate::inventory::InventoryInfo;
use crate::parts::PartsMode;
use crate::sort::SortSettings;
use pipeline::lake::{Lake, Span};
use pipeline::record::row::{Difference, Row, TableSchema};
use pipeline::record::{Record, Rules};
use pipeline::warehouse::BulkWarehouse;

pub use action::Action;
pub use baseline::Baseline;
pub use budget::Budget;
pub use cause::Cause;
pub use deferred::LeftCounts;
pub use drift::Drift;
pub use emptiness::refuse_empty;
pub use farm_days::FarmDays;
pub use finding::{Finding, Stability};
pub use finding_file::{DriftWriter, WrittenFindings};
pub use gaps::{Gap, gaps};
pub use ingest_path::IngestPath;
pub use intact::IntactSide;
pub use outcome::{
    AuditOptions, AuditSettings, BaselineDiff, Carry, ColumnTotal, ControlTotals, DayCounts, NotChecked, Outcome,
    PlannedChange, PlannedChanges, Reason, Reasons, RepairCounter, RepairOutcome, Repairable, RunInfo, Samples,
    ShardRun, Store, StoreInfo, Totals, TruthCounter, TruthResult,
};
pub use patterns::{FindingCounts, LATE, Pattern, PatternKind};
pub use repair::{RepairPlan, RepairTarget, Trust, repair, repairable};
pub use run::run;
pub use shard::{AuditShard, Judged, ShardCounts, Shards, combine, judge_shard};
pub use tolerance::Tolerance;
pub use truth::TruthOptions;
pub use truth_location::TruthLocation;
pub use verdict::{Counter, DriftKind, Side};

/// Two stores to compare, with the scope and settings of the audit.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Lake to compare.
    pub lake: Arc<dyn Lake>,
    /// Warehouse to compare.
    pub warehouse: Arc<dyn BulkWarehouse>,
    /// Farms and days; the content of a record decides if it belongs.
    pub span: Span,
    /// Rules that `consumo_meta` must follow.
    pub rules: Rules,
    /// Number of concurrent object reads.
    pub reads: usize,
    /// Number of findings after which the audit stops. `None` for no limit.
    pub halt_after: Option<u64>,
    /// If true, objects with an id in their name are not opened: only the presence of ids is compared.
    pub quick: bool,
    /// Accepted differences of values.
    pub tolerances: Vec<Tolerance>,
    /// Memory limit of the sort, and the directory for what exceeds it.
    pub sort: SortSettings,
    /// Cache directory for objects of earlier audits. `None` for no cache.
    pub cache: Option<PathBuf>,
    /// Whether records are read from parts.
    pub parts: PartsMode,
    /// Inventory that the lake is listed from. `None` if the lake itself is listed.
    pub listing: Option<InventoryInfo>,
    /// Truth of the history that the stores should contain.
    pub truth: TruthOptions,
    /// If true, an empty side is accepted. Otherwise it is an error, because it usually means a mistyped address.
    pub allow_empty: bool,
}

impl Audit {
    /// Returns the differences between a record and its row, except those within the tolerances.
    pub(crate) fn differences(&self, record: &Record, row: &Row, schema: &TableSchema) -> Vec<Difference> {
        let mut differences = record.differences(row, schema);
        differences.retain(|difference| !self.tolerances.iter().any(|tolerance| tolerance.forgives(difference)));
        differences
    }

    /// Returns the record with the exact value of the rule, because FLOAT columns store it as f32; used only if it rounds
    /// to the stored f32.
    pub(crate) fn apply_rule(&self, record: Record, row: &Row, schema: &TableSchema) -> Record {
        let due = self.rules.consumo_meta(record.reading.peso_medio);
        let due = Record { consumo_meta: due, ..record.clone() };
        if due.differences(row, schema).is_empty() { due } else { record }
    }
}

#[cfg(test)]
mod tests;
