//! Bulk publishing to a topic: pacing, batching, retry, dead letters, latency.
//!
//! One thread reads and judges messages, one loop makes batches and lets them go when they are due, a bounded number of
//! them is in flight, and the same loop takes down what became of each. Every message read is published, failed,
//! invalid, dropped (where the sender was too far behind its schedule), or (where the run stopped) unsent; what a run that
//! ends before its input did not read is counted as not reached.
//!
//! | file | owns |
//! | --- | --- |
//! | `source.rs` | [`Source`], files or the generator |
//! | `estimate.rs` | what a run will take, said beforehand |
//! | `reader.rs` | reading ahead in a thread, and counting what is not reached |
//! | `entry.rs` | which messages are sent, and under which id |
//! | `schedule/` | [`Schedule`]: rates, stages, history in compressed time |
//! | `pace.rs` | when each message is due in this run |
//! | `batch.rs` | batches within the topic's limits |
//! | `courier.rs` | one batch in flight: calls and retries |
//! | `throttle.rs` | the limit that refusals set for a while |
//! | `letter.rs` | a dead letter, and how it is opened again |
//! | `dead.rs` | the dead-letter file |
//! | `journal.rs` | what is settled, on disk |
//! | `telemetry.rs` | counts and histograms over time |
//! | `fail_if.rs` | [`FailIf`], conditions under which a run counts as failed |
//! | `outcome/` | [`Outcome`], its counters and measurements |
//! | `hdr.rs` | latencies as HdrHistogram's text |
//! | `live.rs` | the view of a run under way |
//! | `watch/` | what was published, looked for in the warehouse |
//! | `run.rs` | the loop, and the account it keeps |

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::topic::{Error, Topic};
use pipeline::retry::RetryPolicy;

use dead_letters::DeadLetters;
use journal::Journal;

mod batch;
mod dead_letter;
mod dead_letters;
mod entry;
mod estimate;
mod fail_if;
pub mod hdr;
mod journal;
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
pub use journal::{JournalLocation, Resume};
pub use outcome::{
    ConditionResult, Count, End, HistogramStats, Interval, Lag, MissingReading, Outcome, Pacing, PercentilePoint,
    Percentiles, Rest, Times, TruthDelivery,
};
pub use schedule::{Rate, Schedule, Speedup, Stages, parse_duration};
pub use source::Source;
pub use watch::WatchOptions;

/// How often and how patiently a topic is asked whether it is there.
const CHECK: RetryPolicy = RetryPolicy {
    max_attempts: 3,
    initial_backoff: Duration::from_millis(200),
    max_backoff: Duration::from_millis(500),
};

/// How often the wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How long a batch that is not full waits for more.
const LINGER: Duration = Duration::from_millis(20);

/// What it means that the stages of a schedule end before the files do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScheduleEnd {
    /// The run has stopped early: what is left is still to be published.
    #[default]
    Early,
    /// The run is complete: so much was to be published and no more.
    Meant,
}

/// How a run publishes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When messages are due.
    pub schedule: Schedule,
    /// What it means that the schedule ends before the files do.
    pub schedule_end: ScheduleEnd,
    /// Batches in flight at once.
    pub concurrency: usize,
    /// Whether a lot's messages may not overtake one another: FIFO topics.
    pub keeps_order: bool,
    /// How long a batch that is not full waits for more: what the first of its messages may wait for the last.
    pub linger: Duration,
    /// How late a message may be sent; later it is dropped. None: however late.
    pub drop_after: Option<Duration>,
    /// Tries of a message.
    pub retry: RetryPolicy,
    /// Messages passed over at the beginning: an earlier run has settled them.
    pub skip: u64,
    /// Where the journal is kept.
    pub journal: JournalLocation,
    /// Whether the run of the journal is to go on.
    pub resume: Resume,
    /// What to do with messages that are no valid reading.
    pub on_invalid: OnInvalid,
    /// Where messages go that could not be published.
    pub dead_letters: Option<PathBuf>,
    /// The warehouse that what is published is to arrive in, where that is watched.
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
/// Before anything was sent: a file is missing, the dead-letter file cannot be opened, the topic is not there or refuses, the
/// warehouse to be watched cannot be read.
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
        anyhow::bail!("dead-letter file {}: it is published itself, name another file", path.display());
    }
    let of = journal::RunIdentity::new(&topic.address(), &source);
    let goes_on = settings.skip > 0 || settings.resume == Resume::Yes;
    let dead = DeadLetters::open(
        settings.dead_letters.as_deref(),
        if goes_on { IfNotEmpty::Append } else { IfNotEmpty::Fail },
    )?;
    let journal = Journal::open(&settings.journal, of, settings.resume, settings.skip)?;
    let watch = match settings.watched.clone() {
        Some(watched) => Some(watch::DeliveryWatch::begin(watched, stop).await?),
        None => None,
    };
    let fail_if = settings.fail_if.clone();
    let parts = run::RunParts { topic, settings, dead, journal, watch };
    let mut outcome = run::PublishRun::new(parts, progress, stop).run(source).await?;
    outcome.verdicts = fail_if.evaluate(&outcome);
    Ok(outcome)
}

/// Returns when somebody wishes to stop.
async fn wished(cancel: &CancellationToken) {
    while !stop.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}
