//! Bulk publishing to a topic: pacing, batching, retry, dead letters, latency.
//!
//! One thread reads and checks messages. One loop builds batches, sends them when they are due, with a bounded number in
//! flight, and records the result of each. Every message that was read is published, failed, invalid, dropped (too far
//! behind schedule) or unsent (the run stopped). Messages that were not read before the run ended are counted as not
//! reached.
//!
//! | file | owns |
//! | --- | --- |
//! | `source.rs` | [`Source`], files or the generator |
//! | `estimate.rs` | [`Estimate`] of a run before it starts |
//! | `reader.rs` | reading ahead in a thread, and counting what is not reached |
//! | `entry.rs` | which messages are sent, and under which id |
//! | `schedule/` | [`Schedule`]: rates, stages, history in compressed time |
//! | `pacer.rs` | when each message is due in this run |
//! | `batch.rs` | batches within the topic's limits |
//! | `sender.rs` | one batch in flight: requests and retries |
//! | `rate_limiter.rs` | the temporary rate limit after throttling |
//! | `dead_letters.rs` | the dead-letter file |
//! | `journal_file.rs` | completed messages, on disk |
//! | `telemetry.rs` | counts and histograms over time |
//! | `fail_if.rs` | [`FailIf`], conditions under which a run counts as failed |
//! | `outcome/` | [`Outcome`], its counters and measurements |
//! | `hdr.rs` | latencies as HdrHistogram's text |
//! | `live_view.rs` | the live view of a run |
//! | `watch/` | polling the warehouse for published readings |
//! | `run.rs` | the main loop and its counters |

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::topic::{Error, Topic};
use pipeline::retry::RetryPolicy;

use dead_letters::DeadLetters;
use journal_file::Journal;

mod batch;
mod dead_letters;
mod entry;
mod estimate;
mod fail_if;
pub mod hdr;
mod journal_file;
mod live_view;
mod outcome;
mod pacer;
mod rate_limiter;
mod reader;
mod run;
mod schedule;
mod sender;
mod source;
mod telemetry;
#[cfg(test)]
mod tests;
mod watch;

pub use dead_letters::IfNotEmpty;
pub use entry::OnInvalid;
pub use estimate::Estimate;
pub use fail_if::FailIf;
pub use journal_file::{JournalFile, JournalLocation, Resume};
pub use outcome::{
    Carry, ConditionResult, Count, End, HistogramStats, Interval, Lag, MissingReading, Outcome, Pacing,
    PercentilePoint, Percentiles, Rest, Times, TruthDelivery,
};
pub use schedule::{Rate, Schedule, Speedup, Stages};
pub use source::Source;
pub use watch::WatchOptions;

/// Retry policy of the check before the run that the topic is available.
const CHECK: RetryPolicy = RetryPolicy {
    max_attempts: 3,
    initial_backoff: Duration::from_millis(200),
    max_backoff: Duration::from_millis(500),
};

/// Interval between two checks for cancellation.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Default time an incomplete batch waits for more messages.
const LINGER: Duration = Duration::from_millis(20);

/// Meaning of a schedule whose stages end before the files do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScheduleEnd {
    /// The run has stopped early; the rest is still to be published.
    #[default]
    Early,
    /// The run is complete; only that many messages were to be published.
    Meant,
}

/// Settings of a publish run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When messages are due.
    pub schedule: Schedule,
    /// Meaning of a schedule that ends before the files do.
    pub schedule_end: ScheduleEnd,
    /// Maximum number of batches in flight.
    pub concurrency: usize,
    /// Whether messages of a lot must stay in order, as on FIFO topics.
    pub keeps_order: bool,
    /// How long an incomplete batch waits for more: the maximum wait of its first message for its last.
    pub linger: Duration,
    /// Maximum delay behind the schedule; later messages are dropped. `None` if they are sent however late.
    pub drop_after: Option<Duration>,
    /// Retry policy per message.
    pub retry: RetryPolicy,
    /// Number of messages to skip at the beginning, because an earlier run completed them.
    pub skip: u64,
    /// Where the journal is stored.
    pub journal: JournalLocation,
    /// Whether to resume the run of the journal.
    pub resume: Resume,
    /// What to do with messages that are not valid readings.
    pub on_invalid: OnInvalid,
    /// File for messages that could not be published; `None` if they are only reported.
    pub dead_letters: Option<PathBuf>,
    /// Warehouse to poll for the published readings; `None` if it is not watched.
    pub watched: Option<WatchOptions>,
    /// Conditions under which the run counts as failed.
    pub fail_if: FailIf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schedule: Schedule::None,
            schedule_end: ScheduleEnd::default(),
            concurrency: 16,
            keeps_order: false,
            linger: LINGER,
            drop_after: None,
            retry: RetryPolicy::default(),
            skip: 0,
            journal: JournalLocation::Disabled,
            resume: Resume::No,
            on_invalid: OnInvalid::default(),
            dead_letters: None,
            watched: None,
            fail_if: FailIf::default(),
        }
    }
}

/// Publishes every message of the source.
///
/// # Errors
///
/// Returns an error before anything is sent if a file is missing, or the dead-letter file or the journal cannot be
/// opened. The same applies if the topic is missing or rejects access, or the watched warehouse cannot be read.
/// Also returns an error if the topic rejects permanently and nothing was published.
pub async fn run(
    source: Source,
    topic: Arc<dyn Topic>,
    settings: Settings,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    source.check()?;
    CHECK.run(|e: &Error| e.kind, |_| topic.check()).await?;
    if let Some(path) = settings.dead_letters.as_deref().filter(|path| source.reads(path)) {
        anyhow::bail!("dead-letter file {} is also an input: use another file", path.display());
    }
    let of = journal_file::RunIdentity::new(&topic.address(), &source);
    let continues = settings.skip > 0 || settings.resume == Resume::Yes;
    let dead = DeadLetters::open(
        settings.dead_letters.as_deref(),
        if continues { IfNotEmpty::Append } else { IfNotEmpty::Fail },
    )?;
    let journal = Journal::open(&settings.journal, of, settings.resume, settings.skip)?;
    let watch = match settings.watched.clone() {
        Some(watched) => Some(watch::DeliveryWatch::begin(watched, cancel).await?),
        None => None,
    };
    let fail_if = settings.fail_if.clone();
    let started = Utc::now();
    let parts = run::RunParts { topic: Arc::clone(&topic), settings, dead, journal, watch };
    let mut outcome = run::PublishRun::new(parts, progress, cancel).run(source).await?;
    outcome.started = Some(started);
    if let Some(mut local) = topic.deliveries() {
        outcome.problems.merge(std::mem::take(&mut local.problems));
        outcome.local = Some(local);
        outcome.check()?;
    }
    outcome.conditions = fail_if.evaluate(&outcome);
    if let Some(warning) = fail_if.uncovered(&outcome) {
        tracing::warn!("{warning}");
    }
    Ok(outcome)
}

/// Returns when the run is cancelled.
async fn stop_requested(cancel: &CancellationToken) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
