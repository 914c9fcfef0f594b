//! Counts of the objects of a replay: its own counters, and the reader's reasons for skipping an object.
//!
//! A new counter is one line of [`Counter`], a new skip reason one line of [`Skip`]. Sums, the check, JSON, text, HTML, the
//! exit code, the counts of days, the recovered and the missing records, and the outcome of a shard follow from their roles:
//! a `Part` is a record that is in the warehouse with the lake's values, a `Finding` is one that is missing, a `Skipped` one
//! is not expected there, and a `Detail` is not part of the listed objects.
//!
//! `tally.rs` counts most of them, by run and by day; `load/` counts the results of rows (`load/entries.rs`; rows read back in
//! `load/verify.rs`), `selection.rs` and `coordinator.rs` what was requested and not found. What depends on a listed object
//! (size, class, source) is counted in `ReaderState::take` (`reader.rs`), what depends on a record in `load/entries.rs` and
//! `load/sink.rs`: `tally.rs` knows only keys and results. `ObjectCategory` (`render/html/replay/category.rs`) has the order and
//! the texts of the page of a replay, which shows a counter without them too. A new filter of records is also named in
//! `Outcome::excluded_by`.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::outcome::{Counter as Table, Counts, Role, Spec, counters};
use crate::reader::Skip;

counters! {
    /// Counter of a replay, in addition to those of [`Skip`].
    pub enum Counter {
        Listed: "listed", "listed", Input, "Objects listed.";
        Inserted: "inserted", "inserted", Part, "New rows.";
        Identical: "identical", "identical", Part, "Rows that were there with the same values.";
        Conflicting: "conflicting", "conflicting", Finding, "Rows that were there with other values.";
        Rejected: "rejected", "rejected", Finding, "Objects that hold no valid record, and records that the table refuses.";
        Archived: "archived", "archived", Finding, "Objects in an archive tier.";
        Unreadable: "unreadable", "unreadable", Finding, "Objects that could not be fetched or are not JSON.";
        ProcessedLater: "skipped_processed_later", "after --processed-until", Skipped, "Records processed after `--processed-until`.";
        DataRange: "skipped_data_range", "outside the data range", Skipped,
            "Records whose `data` is outside of `--data-from` and `--data-to`.";
        NotLoaded: "skipped_not_loaded", "read, not loaded", Skipped,
            "Records that were read and not loaded, because the run stopped early.";
        Overwritten: "overwritten", "overwritten", Detail, "Of the conflicting rows, those that now hold the lake's values.";
        NotFound: "not_found", "listed but not in the lake", DetailFinding,
            "Keys that a drift file names and that are not in the lake.";
        Verified: "verified", "verified", Detail, "Rows read back and found right.";
        Mismatched: "mismatched", "mismatched", DetailFinding, "Rows read back and found wrong.";
    }
}

impl Counter {
    /// Counters of objects that another run may be able to read.
    pub const UNREAD: [Self; 2] = [Self::Archived, Self::Unreadable];

    /// Returns true if the record of such an object should be in the warehouse with the lake's values, and is not.
    pub fn is_missing(self) -> bool {
        self == Self::NotLoaded || self.spec().role == Role::Finding
    }
}

/// Name of the sum of all skipped objects.
pub(crate) const SKIPPED: &str = "skipped";

/// Number of objects by result; every listed object is in exactly one part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ObjectCounts {
    #[serde(flatten)]
    own: Counts<Counter>,
    #[serde(flatten)]
    skips: Counts<Skip>,
}

impl ObjectCounts {
    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        self.own.merge(&other.own);
        self.skips.merge(&other.skips);
    }

    /// Returns every counter with its count, in display order.
    pub fn iter(&self) -> impl Iterator<Item = (Spec, u64)> + '_ {
        let first = Counter::ALL.iter().position(|counter| counter.spec().role.is_skipped()).unwrap_or_default();
        let own = |counter: &Counter| (counter.spec(), self[*counter]);
        let (before, after) = Counter::ALL.split_at(first);
        let skips = self.skips.iter().map(|(skip, n)| (skip.spec(), n));
        before.iter().map(own).chain(skips).chain(after.iter().map(own))
    }

    fn total(&self, wanted: impl Fn(Spec) -> bool) -> u64 {
        self.iter().filter(|(spec, _)| wanted(*spec)).map(|(_, n)| n).sum()
    }

    /// Returns the number of objects that were skipped for any reason.
    pub fn skipped(&self) -> u64 {
        self.total(|spec| spec.role.is_skipped())
    }

    /// Returns the number of records that are in the warehouse with the lake's values.
    pub fn recovered(&self) -> u64 {
        self.own.total(|spec| spec.role == Role::Part) + self[Counter::Overwritten]
    }

    /// Returns the number of rows that have other values than the lake, and were kept.
    pub fn kept(&self) -> u64 {
        self[Counter::Conflicting].saturating_sub(self[Counter::Overwritten])
    }

    /// Returns the counts by name that are the same for every attempt to load these objects: rows that one attempt inserted are
    /// identical for the next one.
    pub fn of_any_attempt(&self) -> serde_json::Value {
        let is_fixed = |spec: Spec| matches!(spec.role, Role::Input | Role::Finding);
        let fixed = self.iter().filter(|(spec, _)| is_fixed(*spec)).map(|(spec, n)| (spec.name, n));
        let sums = [("recovered", self.recovered()), (SKIPPED, self.skipped())];
        fixed.chain(sums).map(|(name, n)| (name, serde_json::Value::from(n))).collect()
    }

    /// Returns the number of findings that need attention.
    pub fn findings(&self) -> u64 {
        // An overwritten row needs no attention.
        self.total(|spec| spec.role.is_finding()).saturating_sub(self[Counter::Overwritten])
    }

    /// Returns true if every listed object is in one of the parts.
    pub fn add_up(&self) -> bool {
        self[Counter::Listed] == self.total(|spec| spec.role.is_part())
    }
}

counters! { impl ObjectCounts { own: Counter, skips: Skip } }

/// Serializes to a map of names and counts; the sum of the skipped objects precedes its parts.
impl Serialize for ObjectCounts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        let mut summed = false;
        for (spec, n) in self.iter() {
            if spec.role.is_skipped() && !summed {
                summed = true;
                map.serialize_entry(SKIPPED, &self.skipped())?;
            }
            map.serialize_entry(spec.name, &n)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_to_skip_are_summed_and_written_between_the_parts_and_the_details() {
        let mut counts = ObjectCounts::default();
        counts[Counter::Listed] = 6;
        counts[Counter::Inserted] = 1;
        counts[Skip::Unrecognized] = 2;
        counts[Counter::ProcessedLater] = 3;
        counts[Counter::Verified] = 1;
        assert!(counts.add_up());
        for listed in [5, 7] {
            let mut wrong = counts.clone();
            wrong[Counter::Listed] = listed;
            assert!(!wrong.add_up(), "{listed}");
        }
        assert_eq!((counts.skipped(), counts.findings(), counts.recovered()), (5, 2, 1));
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(
            json,
            "{\"listed\":6,\"inserted\":1,\"identical\":0,\"conflicting\":0,\"rejected\":0,\"archived\":0,\"unreadable\":0,\
             \"skipped\":5,\"skipped_unrecognized\":2,\"skipped_folder_markers\":0,\"skipped_after_cutoff\":0,\"skipped_future_dated\":0,\"skipped_not_in_part\":0,\"skipped_processed_later\":3,\
             \"skipped_data_range\":0,\"skipped_not_loaded\":0,\"overwritten\":0,\"not_found\":0,\"verified\":1,\"mismatched\":0}"
        );
        assert_eq!(serde_json::from_str::<ObjectCounts>(&json).unwrap(), counts);
    }

    #[test]
    fn two_attempts_at_the_same_objects_have_the_same_counts() {
        let of = |inserted, identical| {
            let mut counts = ObjectCounts::default();
            (counts[Counter::Inserted], counts[Counter::Identical], counts[Counter::Rejected]) =
                (inserted, identical, 1);
            (counts[Counter::Listed], counts[Counter::ProcessedLater]) = (10, 2);
            counts.of_any_attempt()
        };
        assert_eq!(of(7, 0), of(3, 4));
        let names = ["archived", "conflicting", "listed", "recovered", "rejected", "skipped", "unreadable"];
        assert!(of(7, 0).as_object().unwrap().keys().eq(names));
    }
}
