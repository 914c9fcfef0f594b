//! The outcome of an audit: counts that must add up, control totals, samples, and what repair did.
//!
//! It owns what is counted and what that means (clean, within budget, exit code), its check, its merge with the outcome
//! of another part of the same stores, and its JSON in both directions. Text and HTML belong to `render`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::finding::Finding;
use super::verdict::{Counter, DriftKind, Side};
use super::{Budget, Drift, FarmDays, FindingCounts, Gap, LATE, Pattern, gaps};
use crate::outcome::{Counter as _, Counts, Exit, Problems};
use crate::reader::cache::CacheStats;
use pipeline::record::Column;
use pipeline::record::row::{Row, Value};

mod baseline;
mod control_totals;
mod day_counts;
mod exact_sum;
mod merge;
mod not_checked;
mod repair;
mod run_info;
mod samples;
#[cfg(test)]
mod tests;
mod totals;
mod truth;

pub use baseline::BaselineDiff;
pub use control_totals::ControlTotals;
pub use day_counts::DayCounts;
pub use not_checked::NotChecked;
pub use repair::{Action, RepairCounter, RepairOutcome};
pub use run_info::{AuditOptions, AuditSettings, RunInfo, StoreInfo};
pub use samples::Samples;
pub use totals::{ColumnTotal, Store, Totals};
pub use truth::{TruthCounter, TruthResult};

/// What was processed so shortly before the audit that its row may be on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecentlyProcessed {
    /// Records of the lake.
    records: u64,
    /// Of these, findings of the lake only.
    lake_only: u64,
}

/// The outcome of an audit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The run.
    pub run: RunInfo,
    /// What was requested.
    #[serde(rename = "asked")]
    pub options: AuditOptions,
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address, without secrets.
    pub warehouse: String,
    /// The warehouse's server.
    pub server: String,
    /// What of the warehouse decides what it holds and how it was read.
    pub stores: StoreInfo,
    /// The cutoff: later objects were not compared.
    #[serde(rename = "fence")]
    pub cutoff: Option<DateTime<Utc>>,
    /// The column by which membership in the window was decided.
    pub window_column: Cow<'static, str>,
    /// Objects, rows and findings.
    #[serde(flatten)]
    pub counts: Counts<Counter>,
    /// The check against the truth files; `None` if none was given, and if the audit did not come to its end.
    pub truth: Option<TruthResult>,
    /// Whether objects were not opened if their names have their ids.
    pub quick: bool,
    /// Cache statistics; `None` without a cache.
    pub cache: Option<CacheStats>,
    /// Moments that the rows show: 1, and one more for each time that the warehouse's snapshot was lost.
    pub snapshots: u64,
    /// Audits that it was merged from; 0 if it is of one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts: u64,
    /// What repair did.
    pub repaired: RepairOutcome,
    /// Time of the whole run.
    pub seconds: f64,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// Why it ended before its end although nobody stopped it: so much was found that the rest changes nothing.
    pub halted: Option<String>,
    /// How much drift passes.
    pub max_drift: Option<Budget>,
    /// Findings compared with those of an earlier audit.
    pub since: Option<BaselineDiff>,
    /// Control totals, of the whole and by farm and month: `hash_totals`, `totals` and `months` in the JSON.
    #[serde(flatten)]
    pub control: ControlTotals,
    /// Counts by farm and day.
    #[serde(with = "day_counts")]
    pub days: FarmDays<DayCounts>,
    /// What plainly explains findings, with how many.
    pub causes: BTreeMap<String, u64>,
    /// Where findings concentrate, and since when.
    pub patterns: Vec<Pattern>,
    /// Where findings are, by kind.
    #[serde(skip)]
    pub places: FindingCounts,
    /// What was processed within minutes before the audit began.
    #[serde(skip)]
    pub late: RecentlyProcessed,
    /// Days of farms that are missing from both sides, between days that are not.
    pub gaps: Vec<Gap>,
    /// What was not checked, and why.
    pub unchecked: Vec<NotChecked>,
    /// What the audit does not prove.
    pub not_proved: Vec<String>,
    /// The first findings.
    pub samples: Samples,
    /// Objects that were skipped.
    pub problems: Problems,
    /// Whether a repair was requested.
    #[serde(skip)]
    pub repair_asked: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Index<Counter> for Outcome {
    type Output = u64;

    fn index(&self, counter: Counter) -> &u64 {
        &self.counts[counter]
    }
}

impl IndexMut<Counter> for Outcome {
    fn index_mut(&mut self, counter: Counter) -> &mut u64 {
        &mut self.counts[counter]
    }
}

impl Outcome {
    /// The count of a kind of finding.
    pub fn of(&self, kind: DriftKind) -> u64 {
        self[kind.counter()]
    }

    /// Counts a finding, and keeps it as a sample while it is one of the first.
    pub fn count(&mut self, drift: &Drift, place: Option<(String, NaiveDate)>) {
        self.counts.add(drift.kind.counter());
        if let Some((farm, day)) = place {
            self.days.of(&farm, day).drift += 1;
            self.places.take(drift.kind, drift.cause.as_deref(), &farm, day);
        }
        if let Some(cause) = &drift.cause {
            *self.causes.entry(cause.clone()).or_default() += 1;
        }
        self.samples.take(drift);
    }

    /// Counts whether a finding may be of a record whose row was on its way.
    pub(super) fn count_late(&mut self, finding: &Finding) {
        let Some(Value::DateTime(at)) = finding.field(Column::RowTs).map(|field| &field.lake) else { return };
        self.late.lake_only += u64::from(finding.kind == DriftKind::LakeOnly && self.is_late(at.and_utc()));
    }

    /// Whether a record was processed within minutes before the audit began.
    fn is_late(&self, at: DateTime<Utc>) -> bool {
        self.cutoff.is_some_and(|cutoff| at > cutoff - LATE)
    }

    /// The counts of a farm's day.
    pub fn cell(&mut self, farm: impl AsRef<str>, day: NaiveDate) -> &mut DayCounts {
        self.days.of(farm.as_ref(), day)
    }

    /// Adds a row to the control totals of one store: of the whole, and of its farm's month.
    pub fn add(&mut self, store: Store, row: &Row, place: Option<(&str, NaiveDate)>) {
        self.count_recent(row, store == Store::Lake);
        self.control.add(&[store], row, place);
    }

    /// Adds a row that its record agrees with: it is the row that the record should be, so that both sides have it.
    pub fn add_matched(&mut self, row: &Row, place: Option<(&str, NaiveDate)>) {
        self.count_recent(row, true);
        self.control.add(&[Store::Lake, Store::Warehouse], row, place);
    }

    fn count_recent(&mut self, row: &Row, of_lake: bool) {
        if of_lake && row.instant(Column::RowTs).is_some_and(|at| self.is_late(at.and_utc())) {
            self.late.records += 1;
        }
    }

    /// Looks for days that both sides lack.
    pub fn find_gaps(&mut self) {
        self.days.retain(|cell| *cell != DayCounts::default());
        self.gaps = gaps(&self.days, DayCounts::is_a_day_of_its_farm);
    }

    /// Derives what follows from the counts: patterns, what was not checked, what is not proved.
    pub fn finalize(&mut self) {
        self.patterns = self.places.patterns(&self.days, |cell| cell.lake.max(cell.warehouse));
        let [lake, _] = self.control.hashes().map(|seen| seen.count);
        let late = Pattern::late(self.late.lake_only, self[Counter::LakeOnly], [self.late.records, lake]);
        self.patterns.extend(late);
        self.patterns.sort_by_key(|pattern| (pattern.kind, pattern.cause.clone()));
        self.problems.sort();
        self.unchecked = self.unchecked().to_vec();
        self.not_proved = self.not_proved();
    }

    /// Whether it came to its end.
    pub const fn is_whole(&self) -> bool {
        self.stopped.is_none() && self.halted.is_none()
    }

    /// All findings together.
    pub fn drift(&self) -> u64 {
        DriftKind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    /// Whether nothing is wrong and everything was judged.
    pub fn is_clean(&self) -> bool {
        self.counts.findings() == 0
    }

    /// Whether what was found is within the budget; never if something was not looked at, or a truth does not hold.
    pub fn is_within_budget(&self) -> bool {
        let holds = self.truth.as_ref().is_none_or(|truth| truth.holds);
        let within = |budget: Budget| budget.allows(self.counts.findings(), self.ids());
        self.halted.is_none() && holds && self.max_drift.is_some_and(within)
    }

    /// Ids that one side has or both have.
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
    /// Returns an error of this program if the counts do not add up.
    pub fn check(&self) -> anyhow::Result<()> {
        let sums = [
            (Counter::LakeObjects, self.sum_of(&[Side::Both, Side::Record, Side::Object])),
            (Counter::LakeRecords, self.sum_of(&[Side::Both, Side::Record])),
            (Counter::WarehouseRows, self.sum_of(&[Side::Both, Side::Row])),
        ];
        for (whole, parts) in sums {
            anyhow::ensure!(
                self[whole] == parts,
                "the counts do not add up, which is an error of this program ({}: {parts} in parts): {}",
                whole.spec().name,
                serde_json::to_string(&Self {
                    samples: Samples::default(),
                    days: FarmDays::default(),
                    ..self.clone()
                })?
            );
        }
        let [lake, warehouse] = self.control.hashes();
        let distance = [Counter::Differing, Counter::LakeOnly, Counter::WarehouseOnly, Counter::NotCompared];
        let agree = distance.into_iter().all(|counter| self[counter] == 0);
        anyhow::ensure!(
            agree == (lake == warehouse),
            "the hash totals of lake ({lake}) and warehouse ({warehouse}) do not say what the counts say, which is an error of this program"
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
