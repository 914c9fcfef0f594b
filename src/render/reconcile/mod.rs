//! What an audit found, and what repair did about it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::outcome::{Exit, Problems};
use crate::reader::cache::Served;
use crate::reconcile::{Budget, Days, Drift, Gap, Kind, LATE, Pattern, Places, Since, gaps};
use pipeline::record::stored::Row;
use pipeline::record::{Column, instant};

mod asked;
mod control;
mod repaired;
mod samples;
mod sum;
mod told;
mod totals;
pub mod truth;
mod unchecked;

pub use asked::{Asked, Run, Settings, Stores};
pub use control::Control;
pub use repaired::Repaired;
pub use samples::Samples;
pub use totals::{Side, Total, Totals};
pub use unchecked::Unchecked;

/// What was processed so shortly before the audit that its row may be on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Late {
    /// Records of the lake.
    records: u64,
    /// Of these, findings of the lake only.
    lake_only: u64,
}

/// One farm's day, on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Records of the lake.
    pub lake: u64,
    /// Rows of the warehouse.
    pub warehouse: u64,
    /// Findings.
    pub drift: u64,
    /// Objects in an archive tier.
    #[serde(skip_serializing_if = "is_zero")]
    pub archived: u64,
    /// Rows whose records are of other days or farms: they say nothing of what was to come on this one.
    #[serde(skip)]
    pub strayed: u64,
}

impl Cell {
    /// Whether anything is there that belongs there.
    fn is_a_day_of_its_farm(&self) -> bool {
        self.lake + self.drift + self.archived > 0 || self.warehouse > self.strayed
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The counts of an audit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The run.
    pub run: Run,
    /// What was asked.
    pub asked: Asked,
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address, without secrets.
    pub warehouse: String,
    /// The warehouse's server.
    pub server: String,
    /// What of the warehouse decides what it holds and how it was read.
    pub stores: Stores,
    /// Objects after this instant were not judged.
    pub fence: Option<DateTime<Utc>>,
    /// The column by which membership in the window was decided.
    pub window_column: &'static str,
    /// Objects in the window.
    pub lake_objects: u64,
    /// Of these, valid records.
    pub lake_records: u64,
    /// Rows in the window.
    pub warehouse_rows: u64,
    /// Records whose rows have the same values.
    pub matched: u64,
    /// Records without a row.
    pub lake_only: u64,
    /// Rows without an object.
    pub warehouse_only: u64,
    /// Records whose rows have other values.
    pub differing: u64,
    /// Further objects with an id that another object has.
    pub duplicate_objects: u64,
    /// Further ids on a natural key that another id has.
    pub logical_duplicates: u64,
    /// Objects whose path does not agree with their content.
    pub misfiled: u64,
    /// Values of `consumo_meta` that are not the rule's.
    pub rule_breaks: u64,
    /// Objects that could not be fetched or are not JSON.
    pub unreadable: u64,
    /// Objects that are JSON, but no valid record.
    pub rejected: u64,
    /// What a truth file says must be there, and is not.
    pub truth_missing: u64,
    /// What is there and, by a truth file, must not be.
    pub truth_surplus: u64,
    /// The proof of the truth files that were given; none without any, and where the audit did not come to its end.
    pub truth: Option<truth::Truth>,
    /// Objects in an archive tier.
    pub archived: u64,
    /// Objects written after the audit began.
    pub skipped_after_fence: u64,
    /// Objects whose time is in the future: nothing tells whether they were written before the audit started.
    pub skipped_future_dated: u64,
    /// Objects whose names are not of this lake.
    pub skipped_foreign: u64,
    /// Rows whose object is there but could not be judged.
    pub unjudged: u64,
    /// Objects that could not be judged and whose names carry no id: any of them may be that of a row without one.
    pub nameless: u64,
    /// Suspicions that a second look settled.
    pub settled: u64,
    /// Findings that were another at every look.
    pub moving: u64,
    /// Objects were not opened where their names have their ids.
    pub quick: bool,
    /// Ids on both sides whose objects were not opened.
    pub present: u64,
    /// How the cache served, where there is one.
    pub cache: Option<Served>,
    /// Moments that the rows show: 1, and one more for each time that the warehouse's snapshot was lost.
    pub snapshots: u64,
    /// What repair did.
    pub repaired: Repaired,
    /// Time of the whole run.
    pub seconds: f64,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// Why it ended before its end although nobody stopped it: so much was found that the rest changes nothing.
    pub halted: Option<String>,
    /// The drift that was to be let pass.
    pub max_drift: Option<Budget>,
    /// What became of findings since an earlier audit.
    pub since: Option<Since>,
    /// Control totals, of the whole and by farm and month: `hash_totals`, `totals` and `months` in the JSON.
    #[serde(flatten)]
    pub control: Control,
    /// Counts by farm and day.
    #[serde(serialize_with = "cells")]
    pub days: Days<Cell>,
    /// What plainly explains findings, with how many.
    pub causes: BTreeMap<String, u64>,
    /// Where findings concentrate, and since when.
    pub patterns: Vec<Pattern>,
    /// Where findings are, by kind.
    #[serde(skip)]
    pub places: Places,
    /// What was processed within minutes before the audit began.
    #[serde(skip)]
    pub late: Late,
    /// Days of farms that are missing from both sides, between days that are not.
    pub gaps: Vec<Gap>,
    /// What was not checked, and why.
    pub unchecked: Vec<Unchecked>,
    /// What the audit does not prove.
    pub not_proved: Vec<String>,
    /// The first findings.
    pub samples: Samples,
    /// Objects left aside.
    pub problems: Problems,
    /// Whether a repair was asked for.
    #[serde(skip)]
    pub repair_asked: bool,
}

fn cells<S: Serializer>(cells: &Days<Cell>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Entry<'a> {
        farm: &'a str,
        day: NaiveDate,
        #[serde(flatten)]
        cell: &'a Cell,
    }
    let mut list = serializer.serialize_seq(Some(cells.count()))?;
    for (farm, day, cell) in cells.iter() {
        list.serialize_element(&Entry { farm, day, cell })?;
    }
    list.end()
}

impl Outcome {
    /// The count of a kind of finding.
    pub const fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::LakeOnly => self.lake_only,
            Kind::WarehouseOnly => self.warehouse_only,
            Kind::Differing => self.differing,
            Kind::DuplicateObject => self.duplicate_objects,
            Kind::LogicalDuplicate => self.logical_duplicates,
            Kind::Misfiled => self.misfiled,
            Kind::RuleBreak => self.rule_breaks,
            Kind::Unreadable => self.unreadable,
            Kind::Rejected => self.rejected,
            Kind::TruthMissing => self.truth_missing,
            Kind::TruthSurplus => self.truth_surplus,
        }
    }

    fn counter(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::LakeOnly => &mut self.lake_only,
            Kind::WarehouseOnly => &mut self.warehouse_only,
            Kind::Differing => &mut self.differing,
            Kind::DuplicateObject => &mut self.duplicate_objects,
            Kind::LogicalDuplicate => &mut self.logical_duplicates,
            Kind::Misfiled => &mut self.misfiled,
            Kind::RuleBreak => &mut self.rule_breaks,
            Kind::Unreadable => &mut self.unreadable,
            Kind::Rejected => &mut self.rejected,
            Kind::TruthMissing => &mut self.truth_missing,
            Kind::TruthSurplus => &mut self.truth_surplus,
        }
    }

    /// Counts a finding, and keeps it as a sample while it is one of the first.
    pub fn count(&mut self, drift: &Drift, place: Option<(String, NaiveDate)>) {
        *self.counter(drift.kind) += 1;
        if let Some((farm, day)) = place {
            self.days.of(&farm, day).drift += 1;
            self.places.take(drift.kind, drift.cause.as_deref(), &farm, day);
        }
        if let Some(cause) = &drift.cause {
            *self.causes.entry(cause.clone()).or_default() += 1;
        }
        let row_ts = || drift.fields.get(Column::RowTs.name()).and_then(|[lake, _]| instant::parse(lake.as_str()?));
        if drift.kind == Kind::LakeOnly && row_ts().is_some_and(|at| self.is_late(at)) {
            self.late.lake_only += 1;
        }
        self.samples.take(drift);
    }

    /// Whether a record was processed within minutes before the audit began.
    fn is_late(&self, at: DateTime<Utc>) -> bool {
        self.fence.is_some_and(|fence| at > fence - LATE)
    }

    /// The counts of a farm's day.
    pub fn cell(&mut self, farm: impl AsRef<str>, day: NaiveDate) -> &mut Cell {
        self.days.of(farm.as_ref(), day)
    }

    /// Adds a row to the control totals of one side: of the whole, and of its farm's month.
    pub fn add(&mut self, side: Side, row: &Row, place: Option<(&str, NaiveDate)>) {
        self.saw_late(row, side == Side::Lake);
        self.control.add(&[side], row, place);
    }

    /// Adds a row that its record agrees with: it is the row that the record should be, so that both sides have it.
    pub fn add_matched(&mut self, row: &Row, place: Option<(&str, NaiveDate)>) {
        self.saw_late(row, true);
        self.control.add(&[Side::Lake, Side::Warehouse], row, place);
    }

    fn saw_late(&mut self, row: &Row, of_lake: bool) {
        if of_lake && row.instant(Column::RowTs).is_some_and(|at| self.is_late(at.and_utc())) {
            self.late.records += 1;
        }
    }

    /// Looks for days that both sides lack.
    pub fn find_gaps(&mut self) {
        self.days.retain(|cell| *cell != Cell::default());
        self.gaps = gaps(&self.days, Cell::is_a_day_of_its_farm);
    }

    /// Says where findings concentrate, and what was not checked: at the very end, when all is counted.
    pub fn conclude(&mut self) {
        self.patterns = self.places.patterns(&self.days, |cell| cell.lake.max(cell.warehouse));
        let [lake, _] = self.control.hashes().map(|seen| seen.count);
        self.patterns.extend(Pattern::late(self.late.lake_only, self.lake_only, [self.late.records, lake]));
        self.patterns.sort_by_key(|pattern| (pattern.kind, pattern.cause.clone()));
        self.problems.sort();
        self.unchecked = self.unchecked().to_vec();
        self.not_proved = self.not_proved();
    }

    /// All findings together.
    pub fn drift(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    /// Whether nothing is wrong and everything was judged.
    pub fn is_clean(&self) -> bool {
        self.drift() + self.archived + self.skipped_foreign + self.skipped_future_dated == 0
    }

    /// Whether what was found is within what was to be let pass; never where something was not looked at, or a truth does
    /// not hold.
    pub fn is_let_pass(&self) -> bool {
        let found = self.drift() + self.archived + self.skipped_foreign + self.skipped_future_dated;
        let holds = self.truth.as_ref().is_none_or(|truth| truth.holds);
        self.halted.is_none() && holds && self.max_drift.is_some_and(|budget| budget.allows(found, self.ids()))
    }

    /// What a budget says to what was found, as the end of a sentence; none without one.
    pub fn by_budget(&self) -> Option<String> {
        let budget = self.max_drift.as_ref()?;
        Some(match &self.truth {
            _ if self.is_let_pass() => format!("within the budget of {budget}"),
            Some(truth) if !truth.holds => {
                format!("not let pass by the budget of {budget}, as the truth does not hold")
            }
            _ => format!("over the budget of {budget}"),
        })
    }

    /// Ids that one side has or both have.
    pub fn ids(&self) -> u64 {
        self.matched + self.present + self.differing + self.lake_only + self.warehouse_only
    }

    /// Checks that every object and every row is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let judged = self.matched + self.differing + self.present;
        let skipped = self.skipped_foreign + self.skipped_after_fence + self.skipped_future_dated;
        let aside = self.unreadable + self.rejected + self.archived + skipped;
        anyhow::ensure!(
            self.lake_objects == self.lake_records + aside
                && self.lake_records == judged + self.lake_only + self.duplicate_objects
                && self.warehouse_rows == judged + self.warehouse_only + self.unjudged,
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(&Self { samples: Samples::default(), days: Days::default(), ..self.clone() })?
        );
        let [lake, warehouse] = self.control.hashes();
        let agree = self.differing + self.lake_only + self.warehouse_only + self.unjudged == 0;
        anyhow::ensure!(
            agree == (lake == warehouse),
            "the hash totals of lake ({lake}) and warehouse ({warehouse}) do not say what the counts say, which is an error of this program"
        );
        Ok(())
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() || self.repaired.stopped.is_some() {
            Exit::Stopped
        } else if self.is_clean() || self.is_let_pass() {
            Exit::Clean
        } else {
            Exit::Found
        }
    }
}
