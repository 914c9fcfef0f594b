//! Jobs that can run in shards, with the settings that determine their result.
//!
//! Settings of a machine, such as concurrency and the memory for sorting, are not included: each shard has its own.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::compact::{Bodies, OnDeleted, Verification};
use crate::parts::PartsMode;
use crate::reconcile::{AuditOptions, Budget, Tolerance};
use crate::replay::RecordFilter;
use pipeline::lake::Span;
use pipeline::record::Slug;

/// Job of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "job", content = "settings", rename_all = "snake_case")]
pub enum JobSettings {
    /// Audit of both stores.
    Reconcile(AuditJob),
    /// Replay of the lake into the warehouse.
    Replay(ReplayJob),
    /// Compaction of the lake into parts.
    Compact(CompactJob),
}

impl JobSettings {
    /// Returns the name of the command.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reconcile(_) => "reconcile",
            Self::Replay(_) => "replay",
            Self::Compact(_) => "compact",
        }
    }
}

/// Settings of an audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditJob {
    /// Options for the outcome, with the command that planned the audit.
    pub options: AuditOptions,
    /// If true, only the presence of ids is compared.
    pub quick: bool,
    /// Accepted differences of values.
    pub tolerances: Vec<String>,
    /// Accepted drift. `None` if no budget was set.
    pub max_drift: Option<Budget>,
    /// Whether records are read from parts.
    #[serde(default)]
    pub parts: PartsMode,
    /// If true, an empty side is accepted.
    pub allow_empty: bool,
}

impl AuditJob {
    /// Returns the farms and days of the audit.
    ///
    /// # Errors
    /// Returns an error if the name of a farm is not valid.
    pub fn span(&self) -> anyhow::Result<Span> {
        span_of(&self.options.farms, self.options.from, self.options.to)
    }

    /// Returns the accepted differences.
    ///
    /// # Errors
    /// Returns an error if a tolerance is not valid.
    pub fn tolerances(&self) -> anyhow::Result<Vec<Tolerance>> {
        self.tolerances.iter().map(|text| text.parse().map_err(|e: String| anyhow::anyhow!(e))).collect()
    }
}

/// Settings of a replay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplayJob {
    /// Folders of the farms; empty for all farms.
    pub farms: Vec<String>,
    /// First day of the partitions.
    pub from: Option<NaiveDate>,
    /// Last day of the partitions.
    pub to: Option<NaiveDate>,
    /// Only records processed no later than this.
    pub processed_until: Option<DateTime<Utc>>,
    /// Only records whose `data` is on this day or later.
    pub data_from: Option<NaiveDate>,
    /// Only records whose `data` is on this day or earlier.
    pub data_to: Option<NaiveDate>,
    /// Whether records are read from parts.
    #[serde(default)]
    pub parts: PartsMode,
    /// If true, every loaded row is read back and compared.
    pub verify: bool,
    /// If true, an empty lake or span is accepted.
    pub allow_empty: bool,
    /// Maximum average rate of all shards, in rows per second.
    pub rows_per_second: Option<u64>,
    /// Maximum number of shards that run at once; each gets its share of the rate. `None` for all.
    pub shards_at_once: Option<u32>,
    /// Command that planned the replay, without secrets.
    pub command: String,
}

impl ReplayJob {
    /// Returns the farms and days of the replay.
    ///
    /// # Errors
    /// Returns an error if the name of a farm is not valid.
    pub fn span(&self) -> anyhow::Result<Span> {
        span_of(&self.farms, self.from, self.to)
    }

    /// Returns the limits on records.
    pub fn filter(&self) -> RecordFilter {
        RecordFilter { until: self.processed_until, data_from: self.data_from, data_to: self.data_to }
    }

    /// Returns the share of the rate of each of `shards` shards.
    pub fn rate_of_a_shard(&self, shards: u32) -> Option<u64> {
        let at_once = self.shards_at_once.unwrap_or(shards).clamp(1, shards.max(1));
        self.rows_per_second.map(|rate| (rate / u64::from(at_once)).max(1))
    }
}

/// Settings of a compaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompactJob {
    /// Folders of the farms; empty for all farms.
    pub farms: Vec<String>,
    /// First day of the partitions; its month is compacted completely.
    pub from: Option<NaiveDate>,
    /// Last day of the partitions; its month is compacted completely.
    pub to: Option<NaiveDate>,
    /// What is kept of the original objects.
    pub bodies: Bodies,
    /// How parts are verified.
    pub verification: Verification,
    /// What to do with rows of objects that no longer exist.
    pub on_deleted: OnDeleted,
    /// If true, it is accepted that there is nothing to compact.
    pub allow_empty: bool,
    /// Command that planned the compaction, without secrets.
    pub command: String,
}

impl CompactJob {
    /// Returns the farms and days of the compaction.
    ///
    /// # Errors
    /// Returns an error if the name of a farm is not valid.
    pub fn span(&self) -> anyhow::Result<Span> {
        span_of(&self.farms, self.from, self.to)
    }
}

fn span_of(farms: &[String], from: Option<NaiveDate>, to: Option<NaiveDate>) -> anyhow::Result<Span> {
    let farms = farms.iter().map(|farm| Slug::of(farm).map_err(|e| anyhow::anyhow!("farm {farm}: {e}")));
    Ok(Span { farms: farms.collect::<anyhow::Result<_>>()?, from, to })
}
