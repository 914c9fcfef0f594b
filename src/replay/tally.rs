//! What became of objects, counted: of a day, of a batch, of a run. Tallies add up, and travel through the journal.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::only::Beyond;
use crate::outcome::Problems;
use crate::reader::{FUTURE_DATED, Item, Skip};
use crate::render::replay::{Cell, Outcome};
use pipeline::lake::Partition;
use pipeline::warehouse::{Conflict, Loaded};

/// Counts of objects by what became of them; every listed one is in exactly one of the others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    pub listed: u64,
    pub inserted: u64,
    pub identical: u64,
    pub conflicting: u64,
    pub rejected: u64,
    pub archived: u64,
    pub unreadable: u64,
    pub foreign: u64,
    pub after_cutoff: u64,
    pub future_dated: u64,
    pub until: u64,
    pub data: u64,
    /// Of the conflicting ones, those whose rows were overwritten.
    pub overwritten: u64,
    pub verified: u64,
    pub unverified: u64,
    pub newest_row_ts: Option<DateTime<Utc>>,
    pub newest_data: Option<DateTime<Utc>>,
    pub cells: Cells,
    pub problems: Problems,
}

/// Cells by partition, as a list of farm, day and cell where they are written down.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(String, NaiveDate, Cell)>", into = "Vec<(String, NaiveDate, Cell)>")]
pub(super) struct Cells(pub BTreeMap<Partition, Cell>);

impl From<Vec<(String, NaiveDate, Cell)>> for Cells {
    fn from(list: Vec<(String, NaiveDate, Cell)>) -> Self {
        Self(list.into_iter().map(|(farm, day, cell)| (Partition { day, farm }, cell)).collect())
    }
}

impl From<Cells> for Vec<(String, NaiveDate, Cell)> {
    fn from(cells: Cells) -> Self {
        cells.0.into_iter().map(|(partition, cell)| (partition.farm, partition.day, cell)).collect()
    }
}

impl Cells {
    pub(super) fn at(&mut self, partition: &Partition) -> &mut Cell {
        if !self.0.contains_key(partition) {
            self.0.insert(partition.clone(), Cell::default());
        }
        self.0.get_mut(partition).expect("just put there")
    }

    fn add(&mut self, other: &Self) {
        for (partition, more) in &other.0 {
            let cell = self.at(partition);
            cell.listed += more.listed;
            cell.conflicting += more.conflicting;
            cell.rejected += more.rejected;
            cell.archived += more.archived;
            cell.unreadable += more.unreadable;
            cell.skipped += more.skipped;
            cell.pending += more.pending;
        }
    }
}

impl Tally {
    /// Adds what another counted.
    pub(super) fn add(&mut self, other: Self) {
        self.listed += other.listed;
        self.inserted += other.inserted;
        self.identical += other.identical;
        self.conflicting += other.conflicting;
        self.rejected += other.rejected;
        self.archived += other.archived;
        self.unreadable += other.unreadable;
        self.foreign += other.foreign;
        self.after_cutoff += other.after_cutoff;
        self.future_dated += other.future_dated;
        self.until += other.until;
        self.data += other.data;
        self.overwritten += other.overwritten;
        self.verified += other.verified;
        self.unverified += other.unverified;
        self.newest_row_ts = self.newest_row_ts.max(other.newest_row_ts);
        self.newest_data = self.newest_data.max(other.newest_data);
        self.cells.add(&other.cells);
        self.problems.absorb(other.problems);
    }

    /// Whether every row it counts was read back.
    pub(super) fn is_read_back(&self) -> bool {
        self.verified + self.unverified >= self.inserted + self.identical + self.overwritten
    }

    /// Takes down an object that brings no record to load.
    pub(super) fn no_record(&mut self, partition: Option<&Partition>, key: String, item: Item) {
        self.listed += 1;
        let mut spare = Cell::default();
        let cell = partition.map_or(&mut spare, |partition| self.cells.at(partition));
        cell.listed += 1;
        match item {
            Item::Record(_) => debug_assert!(false, "a record is loaded, or left out by a limit"),
            Item::Rejected(why) => {
                self.rejected += 1;
                cell.rejected += 1;
                self.problems.add("rejected", key, why);
            }
            Item::Unreadable(why) => {
                self.unreadable += 1;
                cell.unreadable += 1;
                self.problems.add("unreadable", key, why);
            }
            Item::Archived => {
                self.archived += 1;
                cell.archived += 1;
                self.problems.add("archived", key, "in an archive tier: restore it, then replay again");
            }
            Item::Skipped(why) => {
                cell.skipped += 1;
                let (count, kind, reason) = match why {
                    Skip::Foreign => (&mut self.foreign, "skipped", "not a name of this lake"),
                    Skip::AfterCutoff => (&mut self.after_cutoff, "skipped", "written after the run started"),
                    Skip::FutureDated => (&mut self.future_dated, "future_dated", FUTURE_DATED),
                    // No reader of a replay goes by names.
                    Skip::Unopened => (&mut self.foreign, "skipped", "was not opened"),
                };
                *count += 1;
                self.problems.add(kind, key, reason);
            }
        }
    }

    /// Takes down a record that a limit leaves out.
    pub(super) fn left_out(&mut self, partition: &Partition, beyond: Beyond) {
        self.listed += 1;
        let cell = self.cells.at(partition);
        cell.listed += 1;
        cell.skipped += 1;
        *match beyond {
            Beyond::Until => &mut self.until,
            Beyond::Data => &mut self.data,
        } += 1;
    }

    /// Takes down what became of a record that was to be loaded.
    pub(super) fn loaded(&mut self, key: &str, loaded: &Loaded) {
        self.listed += 1;
        match loaded {
            Loaded::Inserted => self.inserted += 1,
            Loaded::Identical => self.identical += 1,
            Loaded::Conflicting(conflict) => {
                self.conflicting += 1;
                self.problems.add("conflicting", key, explain(conflict));
            }
            Loaded::Overwritten(conflict) => {
                self.conflicting += 1;
                self.overwritten += 1;
                self.problems.add("overwritten", key, explain(conflict));
            }
            Loaded::Refused(why) => {
                self.rejected += 1;
                self.problems.add("rejected", key, why.as_str());
            }
        }
    }

    /// Hands the counts to the outcome; `pending` are records that were read and not loaded.
    pub(super) fn close(self, pending: &HashMap<Partition, Pending>, outcome: &mut Outcome) {
        let left: u64 = pending.values().map(|pending| pending.timed + pending.loose).sum();
        let mut cells = self.cells;
        for (partition, pending) in pending.iter().filter(|(_, pending)| pending.timed + pending.loose > 0) {
            let cell = cells.at(partition);
            cell.pending += pending.timed + pending.loose;
            cell.listed += pending.timed; // a loose one was listed with its day
        }
        outcome.listed = self.listed + left;
        outcome.inserted = self.inserted;
        outcome.identical = self.identical;
        outcome.conflicting = self.conflicting;
        outcome.rejected = self.rejected;
        outcome.archived = self.archived;
        outcome.unreadable = self.unreadable;
        outcome.skipped_foreign = self.foreign;
        outcome.skipped_after_fence = self.after_cutoff;
        outcome.skipped_future_dated = self.future_dated;
        outcome.skipped_until = self.until;
        outcome.skipped_data = self.data;
        outcome.skipped_pending = left;
        outcome.skipped = self.foreign + self.after_cutoff + self.future_dated + self.until + self.data + left;
        outcome.overwritten = self.overwritten;
        outcome.verified = self.verified;
        outcome.unverified = self.unverified;
        outcome.newest_row_ts = self.newest_row_ts;
        outcome.newest_data = self.newest_data;
        outcome.days = cells.0.into_iter().map(|(partition, cell)| ((partition.farm, partition.day), cell)).collect();
        outcome.problems = self.problems;
    }
}

/// Records of a partition that were read and are not settled yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pending {
    pub timed: u64,
    pub loose: u64,
}

/// Both values of every field that differs.
fn explain(conflict: &Conflict) -> String {
    let differs = conflict.differences.iter().map(|d| {
        let show = |value| serde_json::to_string(value).unwrap_or_default();
        format!("{} lake {} warehouse {}", d.column, show(&d.lake), show(&d.warehouse))
    });
    differs.collect::<Vec<_>>().join("; ")
}
