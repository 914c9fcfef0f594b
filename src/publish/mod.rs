//! Bulk publishing to a topic: pacing, batching, retry, dead letters, latency.
//!
//! One thread reads and judges messages, one loop makes batches and lets them go when they are due, a bounded number of
//! them is in flight, and the same loop takes down what became of each. Every message read is published, failed,
//! invalid, or (where the run stopped) unsent.
//!
//! | file | owns |
//! | --- | --- |
//! | `source.rs` | [`Source`], files or the generator |
//! | `entry.rs` | which messages are sent, and under which id |
//! | `batch.rs` | batches within the topic's limits |
//! | `pace.rs` | [`Rate`] and the schedule |
//! | `courier.rs` | one batch in flight: calls and retries |
//! | `dead.rs` | the dead-letter file |
//! | `latency.rs` | the histogram |
//! | `run.rs` | the loop, and the account it keeps |

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::progress::Progress;
use crate::report::publish::Outcome;
use crate::retry::Retry;
use crate::stop::Stop;
use crate::topic::{Error, Topic};

mod batch;
mod courier;
mod dead;
mod entry;
mod latency;
mod pace;
mod run;
mod source;
#[cfg(test)]
mod tests;

pub use dead::Held;
pub use entry::OnInvalid;
pub use pace::Rate;
pub use source::Source;

/// How often and how patiently a topic is asked whether it is there.
const CHECK: Retry =
    Retry { attempts: 3, first_pause: Duration::from_millis(200), longest_pause: Duration::from_millis(500) };

/// How often the wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How a run publishes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Messages a second; as fast as the topic takes them where it is `None`.
    pub rate: Option<Rate>,
    /// Batches in flight at once.
    pub concurrency: usize,
    /// Tries of a message.
    pub retry: Retry,
    /// Messages passed over at the beginning: an earlier run has settled them.
    pub skip: u64,
    /// What to do with messages that are no valid reading.
    pub on_invalid: OnInvalid,
    /// Where messages go that could not be published.
    pub dead_letters: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate: None,
            concurrency: 16,
            retry: Retry::default(),
            skip: 0,
            on_invalid: OnInvalid::default(),
            dead_letters: None,
        }
    }
}

/// Publishes every message of the source.
///
/// # Errors
/// Before anything was sent: a file is missing, the dead-letter file cannot be opened, the topic is not there or refuses.
pub async fn run(
    source: Source,
    topic: Arc<dyn Topic>,
    settings: Settings,
    progress: &Progress,
    stop: &Stop,
) -> anyhow::Result<Outcome> {
    source.check()?;
    CHECK.run(|e: &Error| e.kind, |_| topic.check()).await?;
    let held = if settings.skip > 0 { Held::Append } else { Held::Refuse };
    let dead = dead::DeadLetters::open(settings.dead_letters.as_deref(), held)?;
    run::Run::new(topic, settings, dead, progress, stop).of(source).await
}

/// Returns when somebody wishes to stop.
async fn wished(stop: &Stop) {
    while !stop.is_set() {
        tokio::time::sleep(LOOK).await;
    }
}
