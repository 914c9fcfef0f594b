//! Verdicts of an audit: its counters of objects and rows, and the kinds of findings.
//!
//! A new verdict is one line in each of the two tables here and its arm in `Counter::side`, a label in
//! `render/html/reconcile/labels.rs`, and its detection: in `findings/single_record.rs` for a single record or row, in
//! `findings/recheck.rs` for a pair, in `lake_side.rs` for an object that is not a record, in `natural_keys` (`run.rs`)
//! for several ids, in `truth/` for truth files. A verdict of a pair with equal values also needs `Merge::is_plain`
//! (`comparison.rs`), which counts such a pair as matched unless a check for a single record finds something. A verdict
//! about ids that only one side has is also named in `Outcome::ids` and `Outcome::check`. Sums, JSON, text, HTML and
//! the default handling by a repair follow from the tables.

use serde::{Deserialize, Serialize};

use crate::outcome::{Counter as _, counters};

counters! {
    /// Counter of an audit for objects, rows and findings, in addition to those of [`Skip`](crate::reader::Skip).
    pub enum Counter {
        LakeObjects: "lake_objects", "lake objects", Input, "Objects in the window.";
        LakeRecords: "lake_records", "lake records", Detail, "Objects that are valid records.";
        WarehouseRows: "warehouse_rows", "warehouse rows", Input, "Rows in the window.";
        Matched: "matched", "matched", Part, "Records whose rows have the same values.";
        LakeOnly: "lake_only", "lake only", Finding, "Records without a row.";
        WarehouseOnly: "warehouse_only", "warehouse only", Finding, "Rows without an object.";
        Differing: "differing", "differing", Finding, "Records whose rows have other values.";
        DuplicateObjects: "duplicate_objects", "duplicate objects", Finding,
            "Further objects with an id that another object has.";
        LogicalDuplicates: "logical_duplicates", "logical duplicates", DetailFinding,
            "Further ids on a natural key that another id has.";
        Misfiled: "misfiled", "misfiled", DetailFinding, "Objects whose path does not agree with their content.";
        RuleBreaks: "rule_breaks", "rule breaks", DetailFinding, "Values of `consumo_meta` that break the rule.";
        ForgedIds: "forged_ids", "forged ids", DetailFinding,
            "Objects whose content does not match their version-8 id.";
        Unreadable: "unreadable", "unreadable", Finding, "Objects that could not be fetched or are not JSON.";
        Rejected: "rejected", "rejected", Finding, "Objects that are JSON, but no valid record.";
        TruthMissing: "truth_missing", "missing (ground truth)", DetailFinding,
            "Ids and broken messages that a truth file requires, and that are missing.";
        TruthUnexpected: "truth_unexpected", "unexpected (ground truth)", DetailFinding,
            "Ids that are stored and, by a truth file, must not be.";
        Archived: "archived", "archived", Finding, "Objects in an archive tier.";
        NotCompared: "not_compared", "not compared", Skipped, "Rows whose object exists but could not be compared.";
        Unidentified: "unidentified", "without an id", Detail,
            "Objects that could not be compared and have no id in their names: each may belong to a row without an object.";
        ResolvedOnRecheck: "resolved_on_recheck", "resolved on recheck", Detail, "Differences that were gone on the recheck.";
        Unstable: "unstable", "unstable", Detail, "Findings that were different on every recheck.";
        FromWarehouse: "from_warehouse", "repaired from the warehouse", Detail,
            "Objects whose values a repair took from the warehouse, so that their ids are those of the earlier values.";
        Present: "present", "present on both sides", Part, "Ids on both sides whose objects were not opened.";
    }
}

/// Sums that include a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A record of the lake and its row: part of objects, records and rows.
    Both,
    /// A record of the lake: part of objects and records.
    Record,
    /// An object of the lake without a record: part of objects.
    Object,
    /// A row of the warehouse: part of rows.
    Row,
    /// One of the sums, or a count of something else.
    None,
}

impl Counter {
    /// Returns the findings about an id that is on both sides.
    pub fn found_on_both_sides() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|counter| counter.side() == Side::Both && counter.spec().role.is_finding())
    }

    /// Returns the sums that include it.
    pub const fn side(self) -> Side {
        match self {
            Self::Matched | Self::Differing | Self::Present => Side::Both,
            Self::LakeOnly | Self::DuplicateObjects => Side::Record,
            Self::Unreadable | Self::Rejected | Self::Archived => Side::Object,
            Self::WarehouseOnly | Self::NotCompared => Side::Row,
            Self::LakeObjects
            | Self::LakeRecords
            | Self::WarehouseRows
            | Self::LogicalDuplicates
            | Self::Misfiled
            | Self::RuleBreaks
            | Self::ForgedIds
            | Self::FromWarehouse
            | Self::TruthMissing
            | Self::TruthUnexpected
            | Self::Unidentified
            | Self::ResolvedOnRecheck
            | Self::Unstable => Side::None,
        }
    }
}

/// Reason why a repair does not copy the values of an object with a forged id.
pub(super) const FORGED: &str = "the object was changed after it was written: restore it from a version or a backup, or repair it with --trust warehouse, limited by --farm, --from and --to, because that overwrites all other objects that differ";

/// Reason why a repair does not overwrite a row that alone matches its id.
pub(super) const INTACT_ROW: &str = "the row matches its id and the object does not: repair the object with --repair lake --trust warehouse, limited by --farm, --from and --to";

/// Reason why a repair leaves a copy whose id is forged. The advice is that of a copy: nothing is restored from it.
pub(super) const FORGED_COPY: &str =
    "the object is a copy of another one and was changed after it was written; remove the copy manually";

/// Reason why a repair leaves a copy that alone has the values of its id.
pub(super) const INTACT_COPY: &str = "the copy has the values of its id and the other object was changed: do not remove it; restore the other object from it first";

/// Declares the kinds of findings: `Variant: "name", counter, "why repair leaves it unchanged", "what it is";`.
macro_rules! kinds {
    ($($kind:ident: $name:literal, $counter:ident, $left:expr, $help:literal;)+) => {
        /// Kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum DriftKind { $(#[doc = $help] $kind,)+ }

        impl DriftKind {
            /// All kinds, in the order of the outcome.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$kind),+];

            /// Returns the kind's name, as in the drift file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// Returns the counter of its findings.
            pub const fn counter(self) -> Counter {
                match self { $(Self::$kind => Counter::$counter,)+ }
            }

            /// Returns why a repair leaves such a finding unchanged, unless an option enables its repair.
            pub(super) const fn left_because(self) -> &'static str {
                match self { $(Self::$kind => $left,)+ }
            }
        }
    };
}

kinds! {
    LakeOnly: "lake_only", LakeOnly, "--repair does not include this side; repair the other side, or both",
        "The lake has the record, the warehouse no row.";
    WarehouseOnly: "warehouse_only", WarehouseOnly, "--repair does not include this side; repair the other side, or both",
        "The warehouse has the row, the lake no object.";
    Differing: "differing", Differing, "the lake is trusted; repair the warehouse or both, or use --trust warehouse",
        "Both have it, with other values.";
    DuplicateObject: "duplicate_object", DuplicateObjects,
        "a repair never deletes objects; remove the copy manually",
        "A further object with an id that another object has.";
    LogicalDuplicate: "logical_duplicate", LogicalDuplicates,
        "which reading is correct is not known; ask the farm",
        "A further id on a natural key that another id has.";
    Misfiled: "misfiled", Misfiled, "a repair never moves objects; move it manually",
        "The object's path does not agree with its content.";
    RuleBreak: "rule_break", RuleBreaks,
        "which side is wrong is not known; check the rule and who wrote the record",
        "`consumo_meta` does not follow from `peso_medio` by the rules.";
    ForgedId: "forged_id", ForgedIds, FORGED,
        "The object's content does not match its version-8 id.";
    Unreadable: "unreadable", Unreadable,
        "a repair does not overwrite objects; move it away, and if the warehouse has its row, the next repair writes it again",
        "The object could not be fetched or is not JSON.";
    Rejected: "rejected", Rejected,
        "a repair does not overwrite objects; move it away, and if the warehouse has its row, the next repair writes it again",
        "The object is JSON, but no valid record.";
    TruthMissing: "truth_missing", TruthMissing,
        "it cannot be rebuilt from its id; ingest the history again",
        "A truth file requires it and it is missing: an id in a store, or a broken message in the quarantine.";
    TruthUnexpected: "truth_unexpected", TruthUnexpected, "a repair never deletes; find out who wrote it, and remove it manually",
        "An id is in a store, but in no truth file, or a truth file lists it as not stored.";
}

impl DriftKind {
    /// Returns true if only a truth file reveals it.
    pub const fn is_truth_kind(self) -> bool {
        matches!(self, Self::TruthMissing | Self::TruthUnexpected)
    }

    /// Returns the name of its count in the outcome.
    pub fn counter_name(self) -> &'static str {
        self.counter().spec().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_counter_that_is_a_finding() {
        let counters: std::collections::BTreeSet<_> = DriftKind::ALL.into_iter().map(DriftKind::counter).collect();
        assert_eq!(counters.len(), DriftKind::ALL.len());
        assert!(counters.iter().all(|counter| counter.spec().role.is_finding()));
    }

    #[test]
    fn a_counter_is_a_part_of_a_side_exactly_if_its_role_is_a_part() {
        for counter in Counter::ALL {
            assert_eq!(counter.side() != Side::None, counter.spec().role.is_part(), "{counter:?}");
        }
    }
}
