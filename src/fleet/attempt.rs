//! Attempts at a shard: the first complete attempt writes `outcome.json` last, and a second one is compared with it.
//!
//! The outcome has a result, which depends on the plan and the stores alone, and the attempt, which differs each time.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attempt_start::AttemptStart;
use super::exchange::ExchangeFile;
use super::index::Source;
use super::missing_shards::{AttemptsSeen, OUTCOME};
use super::place::Place;
use super::plan::{FORMAT, Run, sha256, shard_folder};
use crate::outcome::read_back;
use pipeline::lake::ThrottleStats;

/// Maximum number of differences that are named.
const SHOWN: usize = 5;

/// Outcome of a shard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShardOutcome {
    /// Version of the format.
    pub format: u32,
    /// Id of the plan.
    pub plan_id: String,
    /// Number of the shard.
    pub shard: u32,
    /// Result of the shard.
    pub result: ShardResult,
    /// The attempt that wrote it.
    pub attempt: Attempt,
    /// SHA-256 of the other fields, as JSON with sorted names and no white space. It is set when the outcome is written.
    pub sha256: String,
}

/// Result of a shard: the same for every attempt on the same stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardResult {
    /// Files with the entries that the shard defers to the merge.
    pub files: Vec<ExchangeFile>,
    /// Counts of the shard, in the form of its job.
    pub counts: Value,
}

/// Attempt at a shard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// UUID of the attempt (version 7).
    pub id: String,
    /// Source of the shard's number.
    pub source: Source,
    /// Host, and ids of the scheduler's job.
    #[serde(default)]
    pub place: Place,
    /// Start time, by the local clock.
    pub started_at: DateTime<Utc>,
    /// Duration, in seconds.
    pub seconds: f64,
    /// Number of snapshots of the warehouse that were lost.
    #[serde(default)]
    pub lost_snapshots: u64,
    /// Throttling by the lake.
    pub throttle: ThrottleStats,
    /// Counts of this attempt, in the form of the job.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// Result of a job in a shard.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Counts, the same for every attempt.
    pub counts: Value,
    pub objects: u64,
    pub lost_snapshots: u64,
    /// Counts of this attempt.
    pub detail: Value,
}

/// Result of a shard's job: complete, or interrupted with the reason.
pub(super) type Ended = Result<Found, String>;

impl Attempt {
    /// Returns an attempt that starts now.
    pub(super) fn begin(source: Source, place: Place) -> Self {
        let started_at = Utc::now();
        let id = crate::outcome::run_id(started_at).to_string();
        let throttle = ThrottleStats::default();
        Self { id, source, place, started_at, seconds: 0.0, lost_snapshots: 0, throttle, detail: Value::Null }
    }

    /// Returns its id, and when and where it started.
    pub(super) fn start(&self) -> (String, AttemptStart) {
        let Self { id, source, place, started_at, .. } = self.clone();
        (id, AttemptStart { source, place, started_at })
    }
}

/// Result of writing an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// This attempt was the first.
    First,
    /// Another attempt was first, with the same result.
    Same,
    /// Another attempt was first, with another result: these values differ.
    Other(Vec<String>),
}

fn outcome_name(shard: u32) -> String {
    format!("{}{OUTCOME}", shard_folder(shard))
}

/// Returns the outcome of a shard. `None` if no attempt was completed.
///
/// # Errors
/// Returns an error if it cannot be read, belongs to another plan, or was changed after it was written.
pub async fn read(run: &Run, shard: u32) -> anyhow::Result<Option<ShardOutcome>> {
    let name = outcome_name(shard);
    let Some(content) = run.store.read(&name).await? else { return Ok(None) };
    let address = run.store.address();
    let again = || run.repeat_shard(shard);
    let context = || format!("{name} of the run {address} is not the outcome of a shard: {}", again());
    // The version comes first, because another one may have other fields.
    let value = serde_json::from_slice::<Value>(&content).with_context(context)?;
    let format = value.get("format").and_then(Value::as_u64);
    ensure!(
        format.is_none_or(|format| format == u64::from(FORMAT)),
        "{name} of the run {address} has another format than {FORMAT}, so another version of ruminate wrote it: {}",
        again()
    );
    let outcome: ShardOutcome = read_back(&content).with_context(context)?;
    ensure!(
        outcome.plan_id == run.plan_id && outcome.shard == shard,
        "{name} of the run {address} belongs to another plan or shard: {}",
        again()
    );
    ensure!(
        outcome.sha256 == checksum(value)?,
        "{name} of the run {address} was changed after it was written: {}",
        again()
    );
    if let Some(what) = miscounted(&outcome.result) {
        bail!("{name} of the run {address} {what}: {}", again());
    }
    Ok(Some(outcome))
}

/// Returns the SHA-256 of an outcome without the field for it.
fn checksum(mut outcome: Value) -> anyhow::Result<String> {
    if let Some(fields) = outcome.as_object_mut() {
        fields.remove("sha256");
    }
    Ok(sha256(&serde_json::to_vec(&outcome)?))
}

/// Compares the numbers of deferred entries with those of the listed files. Returns the first difference.
fn miscounted(result: &ShardResult) -> Option<String> {
    let left = result.counts.get("left")?.as_object()?;
    left.iter().find_map(|(stream, counted)| {
        let files = result.files.iter().filter(|file| file.stream == *stream);
        let listed = files.fold(0_u64, |sum, file| sum.saturating_add(file.entries));
        (counted.as_u64() != Some(listed)).then(|| format!("lists {listed} of {counted} entries of `{stream}`"))
    })
}

/// Returns the outcome of a shard if all of its files exist, which one listing shows.
///
/// # Errors
/// Returns an error for the reasons of [`read`], or if a file has another size: files are never replaced, so another attempt
/// does not help.
pub(super) async fn read_complete(run: &Run, shard: u32) -> anyhow::Result<Option<ShardOutcome>> {
    let Some(outcome) = read(run, shard).await? else { return Ok(None) };
    let listed: BTreeMap<String, u64> = run.store.list(&shard_folder(shard)).await?.into_iter().collect();
    let files = &outcome.result.files;
    for file in files {
        let size = listed.get(&file.name(shard)).copied().unwrap_or(file.bytes);
        ensure!(
            size == file.bytes,
            "{} of the run {} is not the file that shard {shard} wrote ({size} of {} bytes): {}",
            file.name(shard),
            run.store.address(),
            file.bytes,
            run.repeat_shard(shard)
        );
    }
    if let Some(file) = files.iter().find(|file| !listed.contains_key(&file.name(shard))) {
        tracing::warn!("{} is missing: running shard {shard} again", file.name(shard));
        return Ok(None);
    }
    Ok(Some(outcome))
}

/// Writes an outcome, unless there is one; in that case, compares both.
pub(super) async fn write(run: &Run, outcome: &ShardOutcome) -> anyhow::Result<Written> {
    let outcome = &ShardOutcome { sha256: checksum(serde_json::to_value(outcome)?)?, ..outcome.clone() };
    let mut content = serde_json::to_vec(outcome)?;
    content.push(b'\n');
    let is_first = run.store.create(&outcome_name(outcome.shard), content.into()).await?;
    // Read back in any case: on a store that does not honour the condition, two attempts may have written.
    let Some(there) = read(run, outcome.shard).await? else {
        bail!("{} of the run {} disappeared after it was written", outcome_name(outcome.shard), run.store.address());
    };
    Ok(match differences(&there.result, &outcome.result) {
        _ if is_first && there.attempt.id == outcome.attempt.id => Written::First,
        differs if differs.is_empty() => Written::Same,
        differs => Written::Other(differs),
    })
}

/// Returns the differences between two results of a shard.
fn differences(first: &ShardResult, second: &ShardResult) -> Vec<String> {
    let mut differs = Vec::new();
    compare("", &first.counts, &second.counts, &mut differs);
    let streams = |result: &ShardResult| {
        let mut streams = BTreeMap::<String, Vec<String>>::new();
        for file in &result.files {
            streams.entry(file.stream.clone()).or_default().push(file.sha256.clone());
        }
        streams
    };
    let (first, second) = (streams(first), streams(second));
    let names: std::collections::BTreeSet<_> = first.keys().chain(second.keys()).collect();
    differs.extend(
        names.into_iter().filter(|name| first.get(*name) != second.get(*name)).map(|name| format!("files of {name}")),
    );
    let more = differs.len().saturating_sub(SHOWN);
    differs.truncate(SHOWN);
    if more > 0 {
        differs.push(format!("{more} more"));
    }
    differs
}

fn compare(path: &str, first: &Value, second: &Value, differs: &mut Vec<String>) {
    match (first, second) {
        _ if first == second => {}
        (Value::Object(first), Value::Object(second)) => {
            let names: std::collections::BTreeSet<_> = first.keys().chain(second.keys()).collect();
            for name in names {
                let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or_default();
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, &of(first), &of(second), differs);
            }
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => {
            differs.push(path.to_owned())
        }
        _ => differs.push(format!("{path} was {first} and is {second}")),
    }
}

/// Outcomes of all shards of a run, with the number of attempts at each.
pub(super) struct Outcomes {
    pub outcomes: Vec<ShardOutcome>,
    pub attempts: Vec<u64>,
}

impl Outcomes {
    /// Returns the exchange files of all shards.
    pub(super) fn files(&self) -> BTreeMap<u32, Vec<ExchangeFile>> {
        self.outcomes.iter().map(|outcome| (outcome.shard, outcome.result.files.clone())).collect()
    }
}

/// Returns the outcomes of all shards.
///
/// # Errors
/// Returns an error that names the missing ones, with the last error and the command of each.
pub(super) async fn read_all(run: &Run) -> anyhow::Result<Outcomes> {
    use futures::stream::{self, StreamExt, TryStreamExt};
    let seen = AttemptsSeen::list(run).await?;
    seen.require_all(run).await?;
    let (attempts, seen) = ((0..run.plan.shards).map(|shard| seen.attempts(shard)).collect(), &seen);
    let read_one = |shard: u32| async move {
        match read(run, shard).await? {
            Some(outcome) => Ok(outcome),
            None => Err(anyhow::Error::from(seen.missing(run, vec![shard]).await)),
        }
    };
    let outcomes = stream::iter(0..run.plan.shards).map(read_one).buffered(16).try_collect().await?;
    Ok(Outcomes { outcomes, attempts })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(counts: Value, files: &[(&str, &str)]) -> ShardResult {
        let file = |(stream, sha256): &(&str, &str)| ExchangeFile {
            stream: (*stream).into(),
            sha256: (*sha256).into(),
            bytes: 1,
            entries: 1,
        };
        ShardResult { files: files.iter().map(file).collect(), counts }
    }

    #[test]
    fn two_attempts_that_differ_are_named_by_what_differs() {
        let first = result(json!({"left": {"judged": 7}, "days": [1], "votes": 1}), &[("objects", "a"), ("rows", "b")]);
        assert!(differences(&first, &first.clone()).is_empty());
        let second = result(json!({"left": {"judged": 8}, "days": [2], "votes": 1}), &[("rows", "c")]);
        assert_eq!(
            differences(&first, &second),
            ["days", "left.judged was 7 and is 8", "files of objects", "files of rows"]
        );
        let many = |add: u64| (0..9).map(|n: u64| (n.to_string(), json!(n + add))).collect::<serde_json::Map<_, _>>();
        let differs = differences(&result(many(0).into(), &[]), &result(many(1).into(), &[]));
        assert_eq!((differs.len(), &*differs[5]), (6, "4 more"));
    }
}
