//! Reconcile: lake against warehouse, record by record and field by field, with repair.
//!
//! The lake side is read once and sorted by id (on disk past a memory setting) while the warehouse is scanned once in the
//! order of ids, out of a consistent snapshot, and the two are merged. What looks like drift is looked at again before it
//! is reported. [`repair()`] mends what can be mended.
//!
//! | id in the lake | id in the warehouse | verdict |
//! | --- | --- | --- |
//! | a record | a row with the same values | matched |
//! | a record | a row with other values | differing |
//! | a record | none | lake_only |
//! | none | a row | warehouse_only |
//! | an id | the same but for case or outer space | differing, in `id_treated_data` |
//! | more than one object | any | one is judged as above, each further one is a duplicate_object |
//! | the name of an object that was not opened (`quick`) | a row | present |
//! | only in the name of an object that cannot be judged (unreadable, rejected, archived, too new) | a row | unjudged |

mod baseline;
mod budget;
mod cause;
mod drift;
mod emptiness;
mod entries;
mod farm_days;
mod finding;
mod finding_file;
mod findings;
mod gaps;
mod ingest_path;
mod lake_side;
mod merge;
mod one_sided;
pub mod outcome;
mod patterns;
mod recheck;
mod repair;
mod run;
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

use crate::sort::SortSettings;
use pipeline::lake::{Lake, Span};
use pipeline::record::row::{Difference, Row, TableSchema};
use pipeline::record::{Record, Rules};
use pipeline::warehouse::BulkWarehouse;

pub use baseline::Baseline;
pub use budget::Budget;
pub use cause::Cause;
pub use drift::Drift;
pub use farm_days::FarmDays;
pub use finding::{Finding, Stability};
pub use finding_file::{DriftFile, DriftWriter};
pub use gaps::{Gap, gaps};
pub use ingest_path::IngestPath;
pub use outcome::{
    Action, AuditOptions, AuditSettings, BaselineDiff, ColumnTotal, ControlTotals, DayCounts, NotChecked, Outcome,
    RepairCounter, RepairOutcome, RunInfo, Samples, Store, StoreInfo, Totals, TruthCounter, TruthResult,
};
pub use patterns::{FindingCounts, LATE, Pattern, PatternKind as PatternShape};
pub use repair::{RepairPlan, RepairTarget, Trust, repair};
pub use run::run;
pub use tolerance::Tolerance;
pub use truth::TruthOptions as TruthAsked;
pub use truth_location::TruthLocation;
pub use verdict::{Counter, DriftKind, Side};

/// The two stores, what of them is audited, and how.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The lake.
    pub lake: Arc<dyn Lake>,
    /// The warehouse.
    pub warehouse: Arc<dyn BulkWarehouse>,
    /// Farms and days; membership is decided by content (DESIGN §7).
    pub span: Span,
    /// The rules that `consumo_meta` must follow.
    pub rules: Rules,
    /// Objects read at once.
    pub reads: usize,
    /// So many findings settle the matter: the audit ends with them.
    pub halt_after: Option<u64>,
    /// Objects whose names have their ids are not opened: only whether both sides have an id is told.
    pub quick: bool,
    /// How far values may be apart and still pass.
    pub tolerances: Vec<Tolerance>,
    /// How much is sorted in memory, and where the rest goes.
    pub sort: SortSettings,
    /// The folder of what earlier audits learnt of objects.
    pub cache: Option<PathBuf>,
    /// What is known of the history that the stores should hold.
    pub truth: TruthAsked,
    /// An empty side is meant: otherwise it is an error, for most often an address is mistyped.
    pub allow_empty: bool,
}

impl Audit {
    /// Where a row is not what the record says, beyond what is let pass.
    pub(crate) fn differences(&self, record: &Record, row: &Row, schema: &TableSchema) -> Vec<Difference> {
        let mut differences = record.differences(row, schema);
        differences.retain(|difference| !self.tolerances.iter().any(|tolerance| tolerance.forgives(difference)));
        differences
    }
}

#[cfg(test)]
mod tests;
