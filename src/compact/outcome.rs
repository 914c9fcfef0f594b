//! Outcome of a compaction: every listed object in one count.

use serde::{Deserialize, Serialize};

use crate::outcome::{CommandOutcome, Counts, Exit, Problems, ShardTimes, counters};
use crate::reader::Skip;
use pipeline::lake::{ThrottleStats, UnrecognizedNames};

counters! {
    /// Counter of a compaction, in addition to those of [`Skip`].
    pub enum Counter {
        Listed: "listed", "listed", Input, "Objects listed.";
        InParts: "in_parts", "in parts", Part, "Objects whose records are in parts.";
        Rejected: "rejected", "rejected", Finding, "Objects that hold no valid record, or are not JSON; they are in parts too, with the reason.";
        Archived: "archived", "archived", Finding, "Objects in an archive tier that no part has.";
        Unreadable: "unreadable", "unreadable", Finding, "Objects that could not be fetched.";
        TooLarge: "skipped_too_large", "too large", SkippedFinding, "Objects of more than 4 MiB, which no part has.";
        Held: "skipped_held", "held back", SkippedFinding,
            "New or changed objects of parts that were left as they are, because rows of deleted objects would be lost.";
        NotWritten: "skipped_not_written", "part not written", SkippedFinding,
            "New or changed objects of parts that could not be written.";
        Pending: "skipped_not_read", "not read", Skipped,
            "New or changed objects that a dry run did not read, or that were not reached because the run stopped.";
        Fetched: "fetched", "objects read", Detail, "Objects that were read.";
        Carried: "carried", "rows carried over", Detail, "Rows that came from the previous part.";
        Written: "written", "parts written", Detail, "Parts that were created or replaced.";
        Unchanged: "unchanged", "parts unchanged", Detail, "Parts that were up to date.";
        PartsHeld: "held", "parts held back", DetailFinding,
            "Parts that were left as they are, because rows of deleted objects would be lost.";
        Removed: "removed", "parts removed", Detail, "Parts that were removed: replaced by one part per day, or without rows.";
        NotTrusted: "not_trusted", "parts not trusted", Detail, "Parts that were not trusted: all their objects were read, or the part is `held`.";
        Deleted: "deleted", "rows of deleted objects", DetailFinding,
            "Rows of objects that no longer exist, in parts that were left as they are.";
        Dropped: "dropped", "rows dropped", Detail, "Rows of objects that no longer exist, which were dropped (`--drop-deleted`).";
        Verified: "verified", "rows verified", Detail, "Rows that were read back.";
        Sampled: "sampled", "objects compared", Detail, "Objects that were compared with their row.";
        Md5: "md5_checked", "MD5 sums compared", Detail, "Rows whose body was compared with an ETag that is an MD5.";
        NoMd5: "no_md5", "without an MD5", Detail, "Rows that `--deep` could not compare: without a body, or with an ETag that is not an MD5.";
        Mismatched: "mismatched", "rows mismatched", DetailFinding, "Rows that differ from their object, in parts that were then not trusted.";
        NotVerified: "not_verified", "parts not verified", DetailFinding,
            "Parts that were written and could not be read back, because the store failed; the same command verifies them.";
    }
}

/// Outcome of a compaction.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Address of the lake.
    pub lake: String,
    /// Address of the parts.
    pub parts: String,
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Counter>,
    /// Objects that were skipped while reading.
    #[serde(flatten)]
    pub skips: Counts<Skip>,
    /// True if nothing was read or written.
    pub dry_run: bool,
    /// Size of the objects that are in parts, in bytes.
    pub object_bytes: u64,
    /// Size of the parts, in bytes.
    pub part_bytes: u64,
    /// Duration of the run, in seconds. Of a merged run: of the longest shard and the merge.
    pub seconds: f64,
    /// Durations of the shards of a merged run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardTimes>,
    /// Throttling by the store.
    pub lake_throttling: ThrottleStats,
    /// Reason for an early stop. `None` if the run is complete.
    pub stopped: Option<String>,
    /// Problems, each with its key.
    pub problems: Problems,
}

counters! { impl Outcome { counts: Counter, skips: Skip } }

impl Outcome {
    /// Counts objects whose path is not one of the lake.
    pub(super) fn count_unrecognized(&mut self, unrecognized: &UnrecognizedNames) {
        self[Counter::Listed] += unrecognized.count() + unrecognized.folder_markers();
        self[Skip::FolderMarker] += unrecognized.folder_markers();
        self[Skip::Unrecognized] += unrecognized.count();
        unrecognized.keys().for_each(|key| self.problems.add("skipped", key, Skip::Unrecognized.reason()));
        self.problems.add_unnamed("skipped", unrecognized.unnamed());
    }

    /// Adds the outcome of another part of the same lake.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.skips.merge(&other.skips);
        self.object_bytes += other.object_bytes;
        self.part_bytes += other.part_bytes;
        self.seconds = self.seconds.max(other.seconds);
        self.lake_throttling.merge(other.lake_throttling);
        self.stopped = self.stopped.take().or(other.stopped);
        self.problems.merge(other.problems);
    }

    /// Returns the number of objects that were skipped for any reason.
    pub fn skipped(&self) -> u64 {
        self.counts.total(|spec| spec.role.is_skipped()) + self.skips.parts()
    }

    /// Checks that every listed object is accounted for.
    ///
    /// # Errors
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let (listed, parts) = (self[Counter::Listed], self.counts.parts() + self.skips.parts());
        anyhow::ensure!(listed == parts, "{listed} objects are {parts} in parts; this is a bug in ruminate");
        Ok(())
    }
}

impl CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() {
            Exit::Stopped
        } else if self.counts.findings() + self.skips.findings() > 0 {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}
