//! Record of an attempt that failed: what failed, when and where, for the merge and for the person on call.
//!
//! Records are written if the run can be written, and never delay the end of a shard for long. A shard that has an outcome
//! makes its records obsolete.

use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::attempt_start::AttemptStart;
use super::plan::{FORMAT, Run, shard_folder};
use crate::outcome::Exit;

/// Prefix of the names of records in the folder of their shard; the id of the attempt follows.
pub(super) const FAILURE: &str = "failure-";
/// Maximum length of an error in a record, in characters.
const LONGEST: usize = 2_000;
/// Maximum time to write a record: schedulers kill a process that has not ended some seconds after SIGTERM.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Text in place of a password.
const MASK: &str = "***";

/// Attempt at a shard that failed or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Version of the format.
    pub format: u32,
    /// Id of the plan.
    pub plan_id: String,
    /// Number of the shard.
    pub shard: u32,
    /// UUID of the attempt (version 7).
    pub attempt: String,
    /// When and where it started.
    #[serde(flatten)]
    pub start: AttemptStart,
    /// Time of the failure, by the clock of its machine.
    pub failed_at: DateTime<Utc>,
    /// Exit code: 2 if a retry does not help, 3 if it was interrupted.
    pub exit: u8,
    /// Error, and what to do.
    pub error: String,
}

/// Returns the name of the record of an attempt.
fn name_of(shard: u32, attempt: &str) -> String {
    format!("{}{FAILURE}{attempt}.json", shard_folder(shard))
}

/// Records that an attempt failed. If the run cannot be written, that is only logged.
pub(super) async fn record(run: &Run, shard: u32, (attempt, start): (String, AttemptStart), end: (Exit, &str)) {
    let name = name_of(shard, &attempt);
    let failure = Failure {
        format: FORMAT,
        plan_id: run.plan_id.clone(),
        shard,
        attempt,
        start,
        failed_at: Utc::now(),
        exit: end.0.code(),
        error: bounded(&masked(end.1)),
    };
    let write = async { run.store.create(&name, serde_json::to_vec(&failure)?.into()).await };
    let written = tokio::time::timeout(WRITE_TIMEOUT, write).await;
    if let Err(e) = written.context("the run did not respond in time").and_then(|written| written.map(drop)) {
        tracing::warn!("the failure of shard {shard} could not be recorded: {e:#}");
    }
}

/// Returns the record of an attempt. `None` if it is not that of this run, or cannot be read, which is only logged.
pub(super) async fn read(run: &Run, shard: u32, attempt: &str) -> Option<Failure> {
    let name = name_of(shard, attempt);
    let parsed = match run.store.read(&name).await {
        Ok(content) => content.map(|content| Ok(serde_json::from_slice::<Failure>(&content)?)).transpose(),
        Err(e) => Err(e),
    };
    match parsed {
        Ok(failure) => failure.filter(|failure| failure.plan_id == run.plan_id && failure.shard == shard),
        Err(e) => {
            tracing::warn!("{name} of the run {} is ignored: {e:#}", run.store.address());
            None
        }
    }
}

/// Returns a text that is not longer than a record may be.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns a text without the passwords of the URLs in it. Errors have none; this record must not be the first.
fn masked(text: &str) -> String {
    const AFTER_A_URL: &[char] = &['/', ' ', '\t', '\n', '"', '\'', '`', '<', '>'];
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        let (authority, after) = url.split_at(url.find(AFTER_A_URL).unwrap_or(url.len()));
        shown.push_str(before);
        match authority.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => {
                let user = user.split(':').next().unwrap_or_default();
                shown.extend([user, ":", MASK, "@", host]);
            }
            _ => shown.push_str(authority),
        }
        rest = after;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_no_password_and_a_bounded_length() {
        for (text, shown) in [
            ("cannot reach mysql://root:p@ss:w@db:3306/x: refused", "cannot reach mysql://root:***@db:3306/x: refused"),
            ("`https://u:p@h` and s3://bucket/a@b:c", "`https://u:***@h` and s3://bucket/a@b:c"),
            ("mysql://root@db/x and ://", "mysql://root@db/x and ://"),
            ("no address", "no address"),
        ] {
            assert_eq!(masked(text), shown);
        }
        assert_eq!(bounded("é"), "é");
        let long = bounded(&"é".repeat(5_000));
        assert!(long.chars().count() == LONGEST + 2 && long.ends_with("é …"));
    }
}
