//! Outcome of an audit: counts that must add up, control totals, samples, and the results of a repair.
//!
//! It defines what is counted and what that means (clean, within budget, exit code), checks that the counts add up, and
//! is written to and read from JSON. `merge` adds the outcome of another part of the same stores. `render` creates text
//! and HTML.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::finding::Finding;
use super::verdict::{Counter, DriftKind, Side};
use super::{Budget, Drift, FarmDays, Gap, LATE, Pattern, gaps};
use crate::inventory::InventoryInfo;
use crate::outcome::{Counter as _, Counts, Exit, Problems, counters};
use crate::parts::PartsStats;
use crate::reader::Skip;
use crate::reader::cache::CacheStats;
use pipeline::record::Column;
use pipeline::record::row::{Row, Value};

mod baseline;
mod carry;
mod control_totals;
mod day_counts;
mod exact_sum;
mod merge;
mod not_checked;
mod planned;
mod reasons;
mod repair;
mod run_info;
mod samples;
#[cfg(test)]
mod tests;
mod totals;
mod truth;

pub use baseline::BaselineDiff;
pub use carry::Carry;
pub use control_totals::ControlTotals;
pub use day_counts::DayCounts;
pub use not_checked::NotChecked;
pub use planned::{PlannedChange, PlannedChanges};
pub use reasons::{Reason, Reasons};
pub use repair::{RepairCounter, RepairOutcome, Repairable};
pub use run_info::{AuditOptions, AuditSettings, RunInfo, ShardRun, StoreInfo};
pub use samples::Samples;
pub use totals::{ColumnTotal, Store, Totals};
pub use truth::{TruthCounter, TruthResult};

/// Outcome of an audit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Information about the run.
    pub run: RunInfo,
    /// Options of the audit.
    pub options: AuditOptions,
    /// Address of the lake.
    pub lake: String,
    /// Endpoint of the lake's store. `None` for AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lake_endpoint: Option<String>,
    /// Address of the warehouse, without secrets.
    pub warehouse: String,
    /// Server of the warehouse.
    pub server: String,
    /// Properties of the warehouse that determine its content and how it was read.
    pub stores: StoreInfo,
    /// Cutoff: later objects were not compared.
    pub cutoff: Option<DateTime<Utc>>,
    /// Column that determined which records belong to the window.
    pub window_column: Cow<'static, str>,
    /// Number of objects, rows and findings.
    #[serde(flatten)]
    pub counts: Counts<Counter>,
    /// Number of objects that the reader skipped; they are part of the objects.
    #[serde(flatten)]
    pub skips: Counts<Skip>,
    /// Result of the check against the truth files. `None` without truth files, or if the audit did not complete.
    pub truth: Option<TruthResult>,
    /// True if objects with an id in their name were not opened.
    pub quick: bool,
    /// Cache statistics. `None` without a cache.
    pub cache: Option<CacheStats>,
    /// Where the objects came from. `None` with `--parts never`.
    #[serde(default)]
    pub from_parts: Option<PartsStats>,
    /// Inventory that the lake was listed from. `None` if the lake itself was listed.
    #[serde(default)]
    pub listing: Option<InventoryInfo>,
    /// Number of snapshots of the warehouse: 1, plus 1 for each time that the snapshot was lost.
    pub snapshots: u64,
    /// Number of audits that it was merged from; 0 for a single audit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts: u64,
    /// Result of the repair.
    pub repaired: RepairOutcome,
    /// Changes that `--repair both` would make. `None` if a repair was requested, or if the audit stopped early.
    #[serde(default)]
    pub repairable: Option<Repairable>,
    /// Duration of the complete run, in seconds. Of a merged run: of the longest shard and the merge.
    pub seconds: f64,
    /// Reason for an early stop. `None` if there was none.
    pub stopped: Option<String>,
    /// Reason for stopping automatically, if more findings would not have changed the result.
    pub halted: Option<String>,
    /// Accepted drift. `None` if no budget was set.
    pub max_drift: Option<Budget>,
    /// Comparison with the findings of an earlier audit.
    pub since_baseline: Option<BaselineDiff>,
    /// Control totals, in total and by farm and month: `hash_totals`, `totals` and `months` in the JSON.
    #[serde(flatten)]
    pub control: ControlTotals,
    /// Counts by farm and day.
    #[serde(with = "day_counts")]
    pub days: FarmDays<DayCounts>,
    /// Number of findings per cause.
    pub causes: BTreeMap<String, u64>,
    /// Places and periods in which findings are concentrated.
    pub patterns: Vec<Pattern>,
    /// Days of farms without data on both sides, between days with data.
    pub gaps: Vec<Gap>,
    /// Items that were not checked, with the reasons.
    pub not_checked: Vec<NotChecked>,
    /// Statements that the audit does not prove.
    pub limitations: Vec<String>,
    /// First findings.
    pub samples: Samples,
    /// Skipped objects.
    pub problems: Problems,
    /// State that only a merge needs.
    pub carry: Carry,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde requires it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

counters! { impl Outcome { counts: Counter, skips: Skip } }

impl Outcome {
    /// Returns the count of a kind of finding.
    pub fn of(&self, kind: DriftKind) -> u64 {
        self[kind.counter()]
    }

    /// Counts a finding, and stores it as a sample if it is one of the first.
    pub fn count(&mut self, drift: &Drift, place: Option<(String, NaiveDate)>) {
        self.counts.add(drift.kind.counter());
        if let Some((farm, day)) = place {
            self.days.of(&farm, day).drift += 1;
            self.carry.places.take(drift.kind, drift.cause.as_deref(), &farm, day);
        }
        if let Some(cause) = &drift.cause {
            *self.causes.entry(cause.clone()).or_default() += 1;
        }
        self.samples.take(drift);
    }

    /// Counts a finding if the row of its record may have been in transit.
    pub(super) fn count_late(&mut self, finding: &Finding) {
        let Some(Value::DateTime(at)) = finding.field(Column::RowTs).map(|field| &field.lake) else { return };
        self.carry.late.lake_only += u64::from(finding.kind == DriftKind::LakeOnly && self.is_late(at.and_utc()));
    }

    /// Returns true if a record was processed within minutes before the audit started.
    fn is_late(&self, at: DateTime<Utc>) -> bool {
        self.cutoff.is_some_and(|cutoff| at > cutoff - LATE)
    }

    /// Returns the counts of a farm's day.
    pub fn cell(&mut self, farm: impl AsRef<str>, day: NaiveDate) -> &mut DayCounts {
        self.days.of(farm.as_ref(), day)
    }

    /// Adds a row to the control totals of one store, in total and for its farm's month.
    pub fn add(&mut self, store: Store, row: &Row, place: Option<(&str, NaiveDate)>) {
        self.count_recent(row, store == Store::Lake);
        self.control.add(&[store], row, place);
    }

    /// Adds a row that agrees with its record, and so counts for both stores.
    pub fn add_matched(&mut self, row: &Row, place: Option<(&str, NaiveDate)>) {
        self.count_recent(row, true);
        self.control.add(&[Store::Lake, Store::Warehouse], row, place);
    }

    fn count_recent(&mut self, row: &Row, of_lake: bool) {
        if of_lake && row.instant(Column::RowTs).is_some_and(|at| self.is_late(at.and_utc())) {
            self.carry.late.records += 1;
        }
    }

    /// Finds days that both sides lack.
    pub fn find_gaps(&mut self) {
        self.days.retain(|cell| *cell != DayCounts::default());
        self.gaps = gaps(&self.days, DayCounts::is_a_day_of_its_farm);
    }

    /// Derives values from the counts: patterns, unchecked items, and statements that are not proved.
    pub fn finalize(&mut self) {
        self.patterns = self.carry.places.patterns(&self.days, |cell| cell.lake.max(cell.warehouse));
        let [lake, _] = self.control.hashes().map(|seen| seen.count);
        let late = Pattern::late(self.carry.late.lake_only, self[Counter::LakeOnly], [self.carry.late.records, lake]);
        self.patterns.extend(late);
        self.patterns.sort_by_key(|pattern| (pattern.kind, pattern.cause.clone()));
        self.problems.sort();
        self.not_checked = self.not_checked();
        self.limitations = self.limitations();
    }

    /// Sets the options of the audit, which are known after it, and what they exclude.
    pub fn set_options(&mut self, options: AuditOptions) {
        self.options = options;
        self.limitations = self.limitations();
    }

    /// Returns true if the audit completed.
    pub const fn is_complete(&self) -> bool {
        self.stopped.is_none() && self.halted.is_none()
    }

    /// Returns the number of all findings: the lines of the drift file.
    pub fn drift(&self) -> u64 {
        DriftKind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    /// Returns the number of objects that were not read and need attention: archived, or skipped unexpectedly. They are
    /// no findings, because an audit only knows their names.
    pub fn unread(&self) -> u64 {
        self[Counter::Archived] + self.skips.findings()
    }

    /// Returns true if nothing is wrong and everything was compared.
    pub fn is_clean(&self) -> bool {
        self.problems_found() == 0
    }

    /// Returns the number of items that need attention: findings, and objects that were not read.
    pub fn problems_found(&self) -> u64 {
        self.counts.findings() + self.skips.findings()
    }

    /// Returns true if the findings and the objects not read are within the budget; false if the audit halted, or if
    /// the ground truth check failed.
    pub fn is_within_budget(&self) -> bool {
        let passed = self.truth.as_ref().is_none_or(|truth| truth.passed);
        let within = |budget: Budget| budget.allows(self.problems_found(), self.ids());
        self.halted.is_none() && passed && self.max_drift.is_some_and(within)
    }

    /// Returns the number of ids that one or both sides have.
    pub fn ids(&self) -> u64 {
        let one_sided = self[Counter::LakeOnly] + self[Counter::WarehouseOnly];
        self.sum_of(&[Side::Both]) + one_sided
    }

    fn sum_of(&self, sides: &[Side]) -> u64 {
        self.counts.iter().filter(|(counter, _)| sides.contains(&counter.side())).map(|(_, n)| n).sum()
    }

    /// Checks that every object and every row is accounted for.
    ///
    /// # Errors
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let sums = [
            (Counter::LakeObjects, self.sum_of(&[Side::Both, Side::Record, Side::Object]) + self.skips.parts()),
            (Counter::LakeRecords, self.sum_of(&[Side::Both, Side::Record])),
            (Counter::WarehouseRows, self.sum_of(&[Side::Both, Side::Row])),
        ];
        for (whole, parts) in sums {
            anyhow::ensure!(
                self[whole] == parts,
                "the counts do not add up; this is a bug in ruminate ({}: {parts} in parts): {}",
                whole.spec().name,
                serde_json::to_string(&Self {
                    samples: Samples::default(),
                    days: FarmDays::default(),
                    ..self.clone()
                })?
            );
        }
        let [lake, warehouse] = self.control.hashes();
        let one_sided = [Counter::LakeOnly, Counter::WarehouseOnly, Counter::NotCompared];
        let agree = one_sided.into_iter().chain(Counter::found_on_both_sides()).all(|counter| self[counter] == 0);
        anyhow::ensure!(
            agree == (lake == warehouse),
            "the hash totals of lake ({lake}) and warehouse ({warehouse}) do not match the counts; this is a bug in ruminate"
        );
        Ok(())
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() || self.repaired.stopped.is_some() {
            Exit::Stopped
        } else if self.is_clean() || self.is_within_budget() {
            Exit::Clean
        } else {
            Exit::Findings
        }
    }
}
