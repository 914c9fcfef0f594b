//! Shards of a run that have no outcome, with what is known about their attempts. A merge names them and concludes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

use super::attempt_failure::{self, FAILURE, Failure};
use super::attempt_start::{self, ATTEMPT, AttemptStart};
use super::plan::{Run, shard_folder};
use crate::outcome::{CommandOutcome, Exit, counted};
use pipeline::printable;

/// Name of an outcome in the folder of its shard.
pub(super) const OUTCOME: &str = "outcome.json";
/// Maximum length of an error in the text, in characters; the JSON has all of it.
const SHOWN: usize = 400;
/// Number of records that are read at once.
const READS: usize = 16;

/// Shards that must be run before a merge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MissingShards {
    /// Job of the run.
    pub job: String,
    /// Address of the run.
    pub run: String,
    /// Id of the plan.
    pub plan_id: String,
    /// Number of shards.
    pub shards: u32,
    /// Shards without an outcome, in ascending order.
    pub missing: Vec<MissingShard>,
}

/// Shard without an outcome.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MissingShard {
    /// Number of the shard.
    pub shard: u32,
    /// Number of attempts.
    pub attempts: u64,
    /// Last recorded error. `None` if no attempt recorded one.
    pub last_error: Option<Failure>,
    /// Last attempt, if it neither ended nor recorded an error: it is running, or was killed.
    pub unfinished: Option<AttemptStart>,
    /// Command that runs the shard.
    pub command: String,
}

impl std::error::Error for MissingShards {}

impl CommandOutcome for MissingShards {
    fn exit(&self) -> Exit {
        Exit::CouldNotRun
    }
}

/// Attempts at all shards of a run, as one listing shows them.
#[derive(Debug, Default)]
pub(super) struct AttemptsSeen(BTreeMap<u32, ShardSeen>);

/// Attempts at a shard.
#[derive(Debug, Default)]
struct ShardSeen {
    is_complete: bool,
    /// Ids of its attempts, in the order of their starts.
    attempts: BTreeSet<String>,
    /// Ids of those that recorded an error.
    failed: BTreeSet<String>,
}

impl AttemptsSeen {
    /// Lists the attempts of a run.
    ///
    /// # Errors
    /// Returns an error if the run cannot be listed.
    pub(super) async fn list(run: &Run) -> anyhow::Result<Self> {
        let mut seen = BTreeMap::<u32, ShardSeen>::new();
        for (name, _) in run.store.list("shards/").await? {
            let Some((folder, file)) = name.rsplit_once('/') else { continue };
            let Some(shard) = folder.strip_prefix("shards/").and_then(|shard| shard.parse().ok()) else { continue };
            if shard >= run.plan.shards || shard_folder(shard).trim_end_matches('/') != folder {
                continue;
            }
            let seen = seen.entry(shard).or_default();
            let id_after = |start: &str| Some(file.strip_prefix(start)?.strip_suffix(".json")?.to_owned());
            seen.is_complete |= file == OUTCOME;
            seen.failed.extend(id_after(FAILURE));
            // An attempt that could not open its stores left only its record.
            seen.attempts.extend(id_after(ATTEMPT).or_else(|| id_after(FAILURE)));
        }
        Ok(Self(seen))
    }

    /// Returns the number of attempts at a shard.
    pub(super) fn attempts(&self, shard: u32) -> u64 {
        self.0.get(&shard).map_or(0, |seen| seen.attempts.len() as u64)
    }

    /// Checks that every shard has an outcome.
    ///
    /// # Errors
    /// Returns an error that names those without one.
    pub(super) async fn require_all(&self, run: &Run) -> anyhow::Result<()> {
        let is_missing = |shard: &u32| !self.0.get(shard).is_some_and(|seen| seen.is_complete);
        let missing: Vec<u32> = (0..run.plan.shards).filter(is_missing).collect();
        if missing.is_empty() { Ok(()) } else { Err(self.missing(run, missing).await.into()) }
    }

    /// Returns the error about these shards.
    pub(super) async fn missing(&self, run: &Run, shards: Vec<u32>) -> MissingShards {
        let described = stream::iter(shards).map(|shard| self.describe(run, shard)).buffered(READS);
        MissingShards {
            job: run.plan.job.name().to_owned(),
            run: run.store.address(),
            plan_id: run.plan_id.clone(),
            shards: run.plan.shards,
            missing: described.collect().await,
        }
    }

    async fn describe(&self, run: &Run, shard: u32) -> MissingShard {
        let none = ShardSeen::default();
        let seen = self.0.get(&shard).unwrap_or(&none);
        let last_error = match seen.failed.last() {
            Some(attempt) => attempt_failure::read(run, shard, attempt).await,
            None => None,
        };
        let unfinished = match seen.attempts.last().filter(|last| !seen.failed.contains(*last)) {
            Some(attempt) => attempt_start::read(run, shard, attempt).await,
            None => None,
        };
        let (attempts, command) = (self.attempts(shard), run.shard_command(shard));
        MissingShard { shard, attempts, last_error, unfinished, command }
    }
}

/// Checks that every shard of a run has an outcome, before anything else is opened.
///
/// # Errors
/// Returns [`MissingShards`], with the last error and the command of each, or an error if the run cannot be listed.
pub async fn require_shards(run: &Run) -> anyhow::Result<()> {
    AttemptsSeen::list(run).await?.require_all(run).await
}

/// Formats the shards, one per line: those with errors first.
impl fmt::Display for MissingShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is, them) = if self.missing.len() == 1 { ("shard is", "it") } else { ("shards are", "them") };
        write!(f, "{} of {} {is} missing: run {them}, then merge again:", self.missing.len(), self.shards)?;
        let mut missing: Vec<&MissingShard> = self.missing.iter().collect();
        missing.sort_by_key(|shard| (shard.last_error.is_none(), shard.unfinished.is_none()));
        missing.into_iter().try_for_each(|shard| write!(f, "\n  {shard}"))
    }
}

impl fmt::Display for MissingShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shard, command) = (self.shard, &self.command);
        if self.attempts == 0 {
            return write!(f, "shard {shard} was not started: `{command}`");
        }
        write!(f, "shard {shard}, {}", counted(self.attempts, "attempt", "attempts"))?;
        if let Some(AttemptStart { started_at, place, .. }) = &self.unfinished {
            let place = place.to_string();
            write!(f, "; the last one started at {}{}", time(*started_at), printable::line(&place))?;
            write!(f, " and has not ended: it is running, or was killed")?;
        }
        if let Some(Failure { failed_at, exit, error, start, .. }) = &self.last_error {
            let which = if self.unfinished.is_some() { "an earlier one" } else { "the last one" };
            let how = if *exit == Exit::Stopped.code() { "was interrupted" } else { "failed" };
            let (place, more) = (start.place.to_string(), if error.chars().nth(SHOWN).is_some() { " …" } else { "" });
            let error: String = error.chars().take(SHOWN).collect();
            let (place, error) = (printable::line(&place), printable::line(&error));
            write!(f, "; {which} {how} at {}{place}: {error}{more}", time(*failed_at))?;
        }
        write!(f, ": `{command}`")
    }
}

fn time(at: chrono::DateTime<chrono::Utc>) -> impl fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::index::Source;
    use crate::fleet::place::Place;

    fn missing(shard: u32, attempts: u64, error: Option<&str>, is_unfinished: bool) -> MissingShard {
        let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let place = Place { host: Some("node-1".into()), ..Place::default() };
        let last_error = error.map(|error| Failure {
            format: 1,
            plan_id: "p".into(),
            shard,
            attempt: "a".into(),
            start: AttemptStart { source: Source::Slurm, place: place.clone(), started_at: at },
            failed_at: at,
            exit: 2,
            error: error.into(),
        });
        let unfinished = is_unfinished.then_some(AttemptStart { source: Source::Slurm, place, started_at: at });
        MissingShard { shard, attempts, last_error, unfinished, command: format!("ruminate shard r --shard {shard}") }
    }

    #[test]
    fn errors_come_first_in_one_line_each() {
        let missing = MissingShards {
            job: "reconcile".into(),
            run: "r".into(),
            plan_id: "p".into(),
            shards: 9,
            missing: vec![
                missing(1, 0, None, false),
                missing(2, 1, None, true),
                missing(5, 2, Some("no access:\ncheck the role"), false),
                missing(7, 3, Some(&"long ".repeat(500)), true),
            ],
        };
        let text = missing.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(lines[0], "4 of 9 shards are missing: run them, then merge again:");
        let ends = ["--shard 7`", "--shard 5`", "--shard 2`", "--shard 1`"];
        for (line, end) in lines[1..].iter().zip(ends) {
            assert!(line.ends_with(end) && line.len() < 700, "{line}");
        }
        assert!(lines[1].contains("3 attempts; the last one started") && lines[1].contains("an earlier one failed"));
        let of_5 =
            "2 attempts; the last one failed at 2027-01-15 08:00:00 UTC on node-1: no access:\\ncheck the role: `";
        assert!(lines[2].contains(of_5), "{text}");
        assert!(lines[3].contains("1 attempt;") && lines[3].contains("it is running, or was killed: `"), "{text}");
        assert!(lines[4].contains("shard 1 was not started: `"), "{text}");
    }
}
