//! Check of a history against its truth files: expected items, and those that were found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{Counts, counters};
use crate::reconcile::ingest_path::IngestPath;

counters! {
    /// Counter of the check against truth files.
    pub enum TruthCounter {
        Lines: "lines", "lines", Detail, "Lines that were delivered.";
        Expected: "expected", "ids expected", Input, "Distinct ids that must be in both stores.";
        Found: "found", "found", Part, "Expected ids that both stores have.";
        Missing: "missing", "missing", Finding, "Expected ids that at least one store lacks.";
        MissingInLake: "missing_in_lake", "missing in the lake", Detail, "Missing ids that the lake lacks.";
        MissingInWarehouse: "missing_in_warehouse", "missing in the warehouse", Detail,
            "Missing ids that the warehouse lacks.";
        Unexpected: "unexpected", "unexpected", DetailFinding,
            "Ids in a store that must be in none: never delivered, oversized, or in no truth file.";
        UnexpectedUnlisted: "unexpected_unlisted", "of these, in no truth file", Detail,
            "Unexpected ids that no truth file has.";
        Undelivered: "undelivered", "never delivered", Detail, "Ids that were never delivered.";
        Oversized: "oversized", "too large for a topic", Detail, "Ids of lines that are too large for a topic.";
        OversizedStored: "oversized_stored", "of these, stored", Detail,
            "Oversized ids that a store has nevertheless: only `backfill` ingests them.";
        OutOfWindow: "out_of_window", "of other days", Detail, "Ids whose days were not audited.";
        Corrections: "corrections", "corrections", Detail,
            "Second ids on a natural key that the truth has as corrections by the farm: no findings.";
        QuarantinedExpected: "quarantined_expected", "malformed messages", Detail, "Distinct malformed messages.";
        QuarantinedFound: "quarantined_found", "in the quarantine", Detail,
            "Malformed messages that the quarantine has.";
        QuarantinedMissing: "quarantined_missing", "missing in the quarantine", DetailFinding,
            "Malformed messages that the quarantine lacks and should have.";
        QuarantinedWithheld: "quarantined_withheld", "withheld", Detail,
            "Malformed messages that were not sent, so that the quarantine cannot have them.";
        QuarantinedUnlisted: "quarantined_unlisted", "in the quarantine, in no truth file", Detail,
            "Messages in the quarantine that no truth file has: of other days or histories.";
    }
}

/// Check of a history: every id and every invalid line of its truth files, compared with both stores and the
/// quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthResult {
    /// Truth files.
    pub files: Vec<String>,
    /// Ingest path of the history, as given or as inferred from the stores. `None` if it cannot be inferred.
    pub ingest_path: Option<IngestPath>,
    /// True if the ingest path was given.
    pub ingest_path_given: bool,
    /// Number of uses of each fault.
    pub faults: BTreeMap<String, u64>,
    /// Counts of the check.
    #[serde(flatten)]
    pub counts: Counts<TruthCounter>,
    /// True if everything is as expected.
    pub passed: bool,
}

impl TruthResult {
    /// Sets `passed` from the counts.
    pub fn finalize(&mut self) {
        self.passed = self.counts.findings() == 0;
    }

    /// Adds the result of another part, whose truth files contain other ids.
    pub fn merge(&mut self, other: Self) {
        self.files.extend(other.files);
        self.files.sort();
        self.files.dedup();
        self.ingest_path = self.ingest_path.max(other.ingest_path);
        self.ingest_path_given |= other.ingest_path_given;
        for (fault, n) in other.faults {
            *self.faults.entry(fault).or_default() += n;
        }
        self.counts += &other.counts;
        self.passed &= other.passed;
    }
}

counters! { impl TruthResult { counts: TruthCounter } }
