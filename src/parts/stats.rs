//! Sources of the records of a run: parts or objects.

use serde::{Deserialize, Serialize};

/// Maximum number of untrusted parts that are named with the reason.
const NAMED: usize = 100;

/// Sources of the records of a run: parts or objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartsStats {
    /// Objects whose content came from a part.
    pub rows: u64,
    /// Objects that were read one by one.
    pub fetched: u64,
    /// Parts that were used; in a merged run, counted once for each shard that used it.
    pub parts: u64,
    /// Parts that were not trusted: their objects were read. Counted like `parts`.
    pub not_trusted: u64,
    /// The first of these, each with the reason.
    pub reasons: Vec<DistrustedPart>,
}

/// A part that was not trusted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DistrustedPart {
    /// Key of the part next to the lake.
    pub part: String,
    /// Reason why it was not trusted.
    pub reason: String,
}

impl PartsStats {
    /// Records a part that was not trusted.
    pub(super) fn distrust(&mut self, part: String, reason: String) {
        self.not_trusted += 1;
        self.reasons.push(DistrustedPart { part, reason });
        self.shorten();
    }

    /// Adds the statistics of another run on the same lake.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.fetched += other.fetched;
        self.parts += other.parts;
        self.not_trusted += other.not_trusted;
        self.reasons.extend(other.reasons);
        self.shorten();
    }

    /// Adds the statistics of another run on the same lake, if it has any.
    pub(crate) fn merge_some(mine: &mut Option<Self>, theirs: Option<Self>) {
        if let Some(theirs) = theirs {
            mine.get_or_insert_default().merge(theirs);
        }
    }

    fn shorten(&mut self) {
        self.reasons.sort();
        self.reasons.dedup(); // several shards read one part
        self.reasons.truncate(NAMED);
    }
}
