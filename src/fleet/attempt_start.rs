//! Start of an attempt: when and where. It is written first, so that killed attempts are counted and found too.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::index::Source;
use super::place::Place;
use super::plan::{Run, shard_folder};

/// Prefix of the names of starts in the folder of their shard; the id of the attempt follows.
pub(super) const ATTEMPT: &str = "attempt-";

/// Start of an attempt at a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStart {
    /// Source of the shard's number.
    pub source: Source,
    /// Host, and ids of the scheduler's job.
    #[serde(flatten)]
    pub place: Place,
    /// Start time, by the clock of its machine.
    pub started_at: DateTime<Utc>,
}

fn name_of(shard: u32, attempt: &str) -> String {
    format!("{}{ATTEMPT}{attempt}.json", shard_folder(shard))
}

/// Records that an attempt starts.
pub(super) async fn record(run: &Run, shard: u32, (attempt, start): (&str, &AttemptStart)) -> anyhow::Result<()> {
    let content = serde_json::to_vec(start)?;
    run.store.create(&name_of(shard, attempt), content.into()).await.map(drop)
}

/// Returns the start of an attempt. `None` if it cannot be read: it is for display only.
pub(super) async fn read(run: &Run, shard: u32, attempt: &str) -> Option<AttemptStart> {
    let content = run.store.read(&name_of(shard, attempt)).await.ok()??;
    serde_json::from_slice(&content).ok()
}
