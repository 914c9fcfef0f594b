//! Audit in shards, which can run anywhere and in any order, and the step that combines them.
//!
//! [`judge_shard`] reads a range of both sides. It counts the ids for which it has all evidence, and defers the rest
//! ([`deferred`](super::deferred)). [`combine`] joins the deferred entries, rechecks them and concludes, so that the
//! outcome equals that of a single audit.

use serde::{Deserialize, Serialize};

use super::Outcome;
use super::deferred::LeftCounts;
use super::window::PathDateVotes;
use crate::parts::PartsStats;

mod combine;
mod judge;
mod naturals;
mod withdrawn;

pub use super::audit_shard::AuditShard;
pub use combine::{Shards, combine};
pub use judge::judge_shard;

/// Counts of a shard, without anything that depends on when or where it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardCounts {
    /// Number of listed objects.
    pub listed: u64,
    /// Numbers of deferred entries and compared ids.
    pub left: LeftCounts,
}

/// Result of a shard.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Counts, the same for every attempt on the same stores.
    pub counts: ShardCounts,
    /// Number of snapshots of the warehouse.
    pub snapshots: u64,
    /// Sources of the records. `None` if parts were not used.
    pub from_parts: Option<PartsStats>,
}

/// Counts of a shard, as the only entry of a stream.
#[derive(Serialize, Deserialize)]
struct Counted {
    /// Objects without a record.
    read: Outcome,
    /// Ids that the shard compared.
    judged: Outcome,
    /// Date that the paths of legacy names follow.
    votes: PathDateVotes,
}

#[cfg(test)]
mod tests;
