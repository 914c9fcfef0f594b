//! Range and cutoff of a shard of an audit.

use chrono::{DateTime, Utc};

use crate::job_range::JobRange;
use crate::reader::Cutoff;
use pipeline::lake::{self, Lake, PartitionScan, Span, scan_partitions};

/// Shard of an audit: its range of both sides, and the cutoff of the audit.
#[derive(Debug, Clone)]
pub struct AuditShard {
    /// Objects and rows of the shard.
    pub range: JobRange,
    /// Cutoff of the audit.
    pub cutoff: DateTime<Utc>,
}

impl AuditShard {
    /// Returns the cutoff with the current time of the lake's clock.
    pub(super) async fn cutoff(&self, lake: &dyn Lake) -> Result<Cutoff, lake::Error> {
        Ok(Cutoff::at(lake.clock().await?).resumed(self.cutoff))
    }

    /// Finds the partitions of the shard.
    pub(super) async fn scan(&self, lake: &dyn Lake, wide: &Span) -> Result<PartitionScan, lake::Error> {
        let mut found = PartitionScan::default();
        for span in self.range.spans(wide) {
            found.partitions.extend(scan_partitions(lake, &span).await?.partitions);
        }
        if self.range.strays {
            found.unrecognized = scan_partitions(lake, wide).await?.unrecognized;
        }
        found.partitions.sort();
        found.partitions.dedup();
        Ok(found)
    }
}
