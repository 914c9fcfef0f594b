//! The check of a history against its truth files: which of what must be there was found.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use crate::outcome::{Counts, counters};
use crate::reconcile::ingest_path::IngestPath;

counters! {
    /// What the check against truth files counts.
    pub enum TruthCounter {
        Lines: "lines", "lines", Detail, "Lines that were delivered.";
        Expected: "expected", "ids expected", Input, "Distinct ids that must be in both stores.";
        Found: "found", "found", Part, "Expected ids that both stores have.";
        Missing: "missing", "missing", Finding, "Expected ids that at least one store lacks.";
        MissingInLake: "missing_in_lake", "missing in the lake", Detail, "Missing ids that the lake lacks.";
        MissingInWarehouse: "missing_in_warehouse", "missing in the warehouse", Detail,
            "Missing ids that the warehouse lacks.";
        Surplus: "surplus", "surplus", DetailFinding,
            "Ids in a store that must be in none: never delivered, refused, or in no truth file.";
        SurplusUnknown: "surplus_unknown", "of these, in no truth file", Detail,
            "Surplus ids that no truth file has.";
        Never: "never", "never delivered", Detail, "Ids that were delivered nowhere.";
        Refused: "refused", "too large for a topic", Detail, "Ids of lines that a topic refuses as too large.";
        RefusedStored: "refused_stored", "of these, stored", Detail,
            "Refused ids that a store has all the same: only `backfill` ingests them.";
        Outside: "outside", "of other days", Detail, "Ids whose days were not audited.";
        Corrections: "corrections", "corrections", Detail,
            "Second ids on a natural key that the truth has as corrections by the farm: no findings.";
        QuarantinedExpected: "quarantined_expected", "broken messages", Detail, "Distinct broken messages.";
        QuarantinedFound: "quarantined_found", "in the quarantine", Detail,
            "Broken messages that the quarantine has.";
        QuarantinedMissing: "quarantined_missing", "missing in the quarantine", DetailFinding,
            "Broken messages that the quarantine lacks and should have.";
        QuarantinedWithheld: "quarantined_withheld", "withheld", Detail,
            "Broken messages that were not sent, so that the quarantine cannot have them.";
        QuarantinedUnknown: "quarantined_unknown", "unknown in the quarantine", Detail,
            "Messages in the quarantine that no truth file has: of other days or histories.";
    }
}

/// The check of a history: every id and every broken line of its truth files, compared with both stores and the quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthResult {
    /// The truth files.
    pub files: Vec<String>,
    /// How the history was ingested, as given or as inferred from the stores; `None` if nothing shows it.
    #[serde(rename = "door")]
    pub ingest_path: Option<IngestPath>,
    /// Whether that was given.
    pub door_said: bool,
    /// How often each fault was applied.
    pub faults: BTreeMap<String, u64>,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts<TruthCounter>,
    /// Whether everything is as it must be.
    pub holds: bool,
}

impl TruthResult {
    /// Whether everything is as it must be, by its counts.
    pub fn finalize(&mut self) {
        self.holds = self.counts.findings() == 0;
    }

    /// Adds the result of another part, whose truth files have other ids than this one's.
    pub fn merge(&mut self, other: Self) {
        self.files.extend(other.files);
        self.files.sort();
        self.files.dedup();
        self.ingest_path = self.ingest_path.max(other.ingest_path);
        self.door_said |= other.door_said;
        for (fault, n) in other.faults {
            *self.faults.entry(fault).or_default() += n;
        }
        self.counts += &other.counts;
        self.holds &= other.holds;
    }
}

impl Index<TruthCounter> for TruthResult {
    type Output = u64;

    fn index(&self, counter: TruthCounter) -> &u64 {
        &self.counts[counter]
    }
}

impl IndexMut<TruthCounter> for TruthResult {
    fn index_mut(&mut self, counter: TruthCounter) -> &mut u64 {
        &mut self.counts[counter]
    }
}
