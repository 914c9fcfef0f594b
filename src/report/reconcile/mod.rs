//! What an audit found, and what repair did about it.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::{Exit, Lines, Problems, count, duration};
use crate::reconcile::{Drift, Kind};

mod repaired;
mod totals;

pub use repaired::Repaired;
pub use totals::{Total, Totals};

/// Findings kept for the text, the JSON and the HTML; all are in the drift file.
const SAMPLES: usize = 1_000;
/// Findings of every kind that are kept even then, so that no kind hides another.
const SAMPLES_OF_A_KIND: u64 = 20;
/// Findings the text shows.
const SHOWN: usize = 20;

/// One farm's day, on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Records of the lake.
    pub lake: u64,
    /// Rows of the warehouse.
    pub warehouse: u64,
    /// Findings.
    pub drift: u64,
}

/// What was asked of an audit, so that its report can say so and it can be repeated.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Asked {
    /// Folders of the farms; empty for all.
    pub farms: Vec<String>,
    /// The first day.
    pub from: Option<NaiveDate>,
    /// The last day.
    pub to: Option<NaiveDate>,
    /// Target intake as a share of live weight.
    pub meta_rate: f64,
    /// The command that repeats it, without secrets.
    pub command: String,
    /// The file of all findings.
    pub drift_file: Option<String>,
}

/// The counts of an audit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// What was asked.
    pub asked: Asked,
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address, without secrets.
    pub warehouse: String,
    /// The warehouse's server.
    pub server: String,
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
    /// Objects in an archive tier.
    pub archived: u64,
    /// Objects written after the audit began.
    pub skipped_after_fence: u64,
    /// Objects whose names are not of this lake.
    pub skipped_foreign: u64,
    /// Rows whose object is there but could not be judged.
    pub unjudged: u64,
    /// Objects that could not be judged and whose names carry no id: any of them may be that of a row without one.
    pub nameless: u64,
    /// Suspicions that a second look settled.
    pub settled: u64,
    /// What repair did.
    pub repaired: Repaired,
    /// Time of the whole run.
    pub seconds: f64,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// Control totals.
    pub totals: Totals,
    /// Counts by farm and day.
    #[serde(serialize_with = "cells")]
    pub days: BTreeMap<(String, NaiveDate), Cell>,
    /// The first findings.
    pub samples: Vec<Drift>,
    /// Objects left aside.
    pub problems: Problems,
    /// Whether a repair was asked for.
    #[serde(skip)]
    pub repair_asked: bool,
}

fn cells<S: Serializer>(cells: &BTreeMap<(String, NaiveDate), Cell>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Entry<'a> {
        farm: &'a str,
        day: NaiveDate,
        #[serde(flatten)]
        cell: &'a Cell,
    }
    let mut list = serializer.serialize_seq(Some(cells.len()))?;
    for ((farm, day), cell) in cells {
        list.serialize_element(&Entry { farm, day: *day, cell })?;
    }
    list.end()
}

impl Outcome {
    /// The count of a kind of finding.
    pub fn of(&self, kind: Kind) -> u64 {
        let mut copy = self.clone_counts();
        *copy.counter(kind)
    }

    fn clone_counts(&self) -> Self {
        Self {
            lake_only: self.lake_only,
            warehouse_only: self.warehouse_only,
            differing: self.differing,
            duplicate_objects: self.duplicate_objects,
            logical_duplicates: self.logical_duplicates,
            misfiled: self.misfiled,
            rule_breaks: self.rule_breaks,
            unreadable: self.unreadable,
            rejected: self.rejected,
            ..Self::default()
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
        }
    }

    /// Counts a finding, and keeps it as a sample while there is room.
    pub fn count(&mut self, drift: &Drift, place: Option<(String, NaiveDate)>) {
        let counter = self.counter(drift.kind);
        *counter += 1;
        let first_of_kind = *counter <= SAMPLES_OF_A_KIND;
        if let Some((farm, day)) = place {
            self.cell(farm, day).drift += 1;
        }
        if first_of_kind || self.samples.len() < SAMPLES {
            self.samples.push(drift.clone());
        }
    }

    /// The counts of a farm's day.
    pub fn cell(&mut self, farm: String, day: NaiveDate) -> &mut Cell {
        self.days.entry((farm, day)).or_default()
    }

    /// All findings together.
    pub fn drift(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    /// Whether nothing is wrong and everything was judged.
    pub fn is_clean(&self) -> bool {
        self.drift() + self.archived + self.skipped_foreign == 0
    }

    /// Checks that every object and every row is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let judged = self.matched + self.differing;
        let aside = self.unreadable + self.rejected + self.archived + self.skipped_foreign + self.skipped_after_fence;
        anyhow::ensure!(
            self.lake_objects == self.lake_records + aside
                && self.lake_records == judged + self.lake_only + self.duplicate_objects
                && self.warehouse_rows == judged + self.warehouse_only + self.unjudged,
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(&Self { samples: Vec::new(), days: BTreeMap::new(), ..self.clone() })?
        );
        Ok(())
    }
}

impl super::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() || self.repaired.stopped.is_some() {
            Exit::Stopped
        } else if self.is_clean() {
            Exit::Clean
        } else {
            Exit::Found
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (&self.stopped, self.is_clean()) {
            (Some(why), _) => format!("stopped early: {why}"),
            (None, true) => "lake and warehouse agree".to_owned(),
            (None, false) => match self.drift() + self.archived + self.skipped_foreign {
                1 => "1 finding".to_owned(),
                n => format!("{} findings", count(n)),
            },
        };
        writeln!(
            f,
            "reconcile: {verdict} ({} records against {} rows in {})",
            count(self.lake_records),
            count(self.warehouse_rows),
            duration(self.seconds)
        )?;
        let mut lines = vec![("matched", count(self.matched))];
        let kinds: [(&str, u64); 12] = [
            ("lake only", self.lake_only),
            ("warehouse only", self.warehouse_only),
            ("differing", self.differing),
            ("duplicate objects", self.duplicate_objects),
            ("logical duplicates", self.logical_duplicates),
            ("misfiled", self.misfiled),
            ("rule breaks", self.rule_breaks),
            ("unreadable", self.unreadable),
            ("rejected", self.rejected),
            ("archived", self.archived),
            ("foreign names", self.skipped_foreign),
            ("too new to judge", self.skipped_after_fence),
        ];
        lines.extend(kinds.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name, count(n))));
        write!(f, "{}", Lines(&lines))?;
        for drift in self.samples.iter().take(SHOWN) {
            writeln!(f, "  {}", Line(drift))?;
        }
        let found = self.drift();
        if found > SHOWN as u64 {
            writeln!(f, "  … and {} more (--drift FILE has all)", count(found - SHOWN as u64))?;
        }
        write!(f, "{}", self.problems)?;
        if self.repair_asked { write!(f, "{}", self.repaired) } else { Ok(()) }
    }
}

/// A finding in one line.
struct Line<'a>(&'a Drift);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drift { kind, id, key, fields, reason } = self.0;
        write!(f, "{} {}", kind.name(), id.as_deref().or(key.as_deref()).unwrap_or("–"))?;
        if *kind == Kind::Differing {
            for (name, [lake, warehouse]) in fields {
                write!(f, "  {name}: lake {lake}, warehouse {warehouse}")?;
            }
        } else if let (Some(_), Some(key)) = (id, key) {
            write!(f, "  {key}")?;
        }
        match reason {
            Some(reason) => write!(f, "  ({reason})"),
            None => Ok(()),
        }
    }
}
