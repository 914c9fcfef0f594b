//! Sends one batch until each of its messages is complete. Decides what is retried, how often, and when to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::entry::Entry;
use super::rate_limiter::AdaptiveRateLimiter;
use crate::cancellation::CancellationToken;
use crate::outcome::rounded;
use crate::topic::{EntryError, NO_RESPONSE, Topic};
use pipeline::error::Kind;
use pipeline::outage::Outage;
use pipeline::retry::RetryPolicy;

/// Maximum attempts per message under throttling, which is temporary: the run slows down in the meantime.
const THROTTLED_TRIES: u32 = 100;

/// Minimum number of failed batches in a row after which a run stops.
const MIN_OUTAGE: usize = 3;

/// Result of sending one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendOutcome {
    /// The topic accepted it.
    Published {
        /// From its due time, or else the first request of its batch, to the response.
        latency: Duration,
        /// Duration of the successful request.
        service: Duration,
    },
    /// It cannot be sent, or failed on every attempt.
    Failed(EntryError),
    /// The run ended before it was complete; it must be sent again.
    Unsent,
}

/// A message with its result.
#[derive(Debug)]
pub(super) struct SentMessage {
    pub entry: Entry,
    pub outcome: SendOutcome,
    /// Requests it was part of.
    pub attempts: u32,
    /// When the result was known.
    pub at: Instant,
}

/// Result of sending a batch.
#[derive(Debug, Default)]
pub(super) struct BatchDelivery {
    pub sent: Vec<SentMessage>,
    /// Messages sent again, counted per retry.
    pub retries: u64,
    /// Messages rejected, or part of a failed request, by error code and counted per request.
    pub errors: BTreeMap<String, u64>,
    /// An error that will affect every further batch.
    pub fatal: Option<String>,
}

/// Sends batches to a topic; shared by all batches of a run.
#[derive(Debug)]
pub(super) struct BatchSender {
    topic: Arc<dyn Topic>,
    retry: RetryPolicy,
    cancel: CancellationToken,
    throttle: AdaptiveRateLimiter,
    warned: AtomicBool,
    /// Batches of which every message failed in all attempts.
    outage: Mutex<Outage<EntryError>>,
}

impl BatchSender {
    /// Creates a sender of at most this many batches at once.
    pub(super) fn new(
        topic: Arc<dyn Topic>,
        retry: RetryPolicy,
        concurrency: usize,
        cancel: CancellationToken,
    ) -> Self {
        let (throttle, warned) = (AdaptiveRateLimiter::new(), AtomicBool::new(false));
        let outage = Mutex::new(Outage::new(concurrency.max(MIN_OUTAGE)));
        Self { topic, retry, cancel, throttle, warned, outage }
    }

    /// Returns the rate limit set by throttling, in messages per second; `None` if there is none.
    pub(super) fn limit(&self) -> Option<f64> {
        self.throttle.limit()
    }

    /// Sends the messages, and retries those with a transient error, until all are complete.
    pub(super) async fn send(&self, entries: Vec<Entry>) -> BatchDelivery {
        let mut delivered = BatchDelivery::default();
        let mut pending = entries;
        let mut attempts = 0;
        let started = Instant::now();
        while !pending.is_empty() {
            if attempts > 0 {
                if self.cancel.is_cancelled() || !self.pause(attempts - 1).await {
                    delivered.complete(pending, &SendOutcome::Unsent, attempts);
                    break;
                }
                delivered.retries += pending.len() as u64;
            }
            let turn = self.throttle.reserve(pending.len());
            if turn > Instant::now() && !self.sleep_until(turn).await {
                delivered.complete(pending, &SendOutcome::Unsent, attempts);
                break;
            }
            attempts += 1;
            pending = self.call(pending, started, attempts, &mut delivered).await;
        }
        self.notice_outage(&mut delivered);
        delivered
    }

    /// Ends the run if as many batches in a row have failed as are sent at once.
    fn notice_outage(&self, delivered: &mut BatchDelivery) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match delivered.outage() {
            Some(refusal) => outage.record(Some(refusal.clone())),
            None if delivered.sent.iter().all(|sent| sent.outcome == SendOutcome::Unsent) => {}
            None => outage.record(None),
        }
        if let (None, Some(refusal)) = (&delivered.fatal, outage.failure()) {
            let address = self.topic.address();
            delivered.fatal = Some(format!("topic {address} failed in all attempts of every batch: {refusal}"));
        }
    }

    /// Sends one request and returns the messages to retry.
    async fn call(
        &self,
        entries: Vec<Entry>,
        started: Instant,
        attempts: u32,
        delivered: &mut BatchDelivery,
    ) -> Vec<Entry> {
        let messages: Vec<_> = entries.iter().map(|entry| entry.message.clone()).collect();
        let called = Instant::now();
        let answers = match self.topic.publish(&messages).await {
            Ok(answers) => answers,
            Err(e) if e.kind.is_transient() => {
                let refusal = EntryError { kind: e.kind, code: e.code, message: e.message };
                vec![Err(refusal); entries.len()]
            }
            Err(e) => {
                delivered.count(&e.code, entries.len() as u64);
                delivered.fatal = Some(e.to_string());
                delivered.complete(entries, &SendOutcome::Unsent, attempts);
                return Vec::new();
            }
        };
        let answered = Instant::now();
        let service = answered.saturating_duration_since(called);
        let unanswered = std::iter::repeat_with(no_answer);
        let (mut again, mut throttled) = (Vec::new(), false);
        for (entry, answer) in entries.into_iter().zip(answers.into_iter().chain(unanswered)) {
            let refusal = match answer {
                Ok(()) => {
                    let latency = answered.saturating_duration_since(entry.due.unwrap_or(started));
                    delivered.complete([entry], &SendOutcome::Published { latency, service }, attempts);
                    continue;
                }
                Err(refusal) => refusal,
            };
            delivered.count(&refusal.code, 1);
            throttled |= refusal.is_throttling();
            let tries = if refusal.is_throttling() { THROTTLED_TRIES } else { self.retry.max_attempts };
            if refusal.kind.is_transient() && attempts < tries.max(self.retry.max_attempts) {
                self.warn_once(&refusal);
                again.push(entry);
            } else {
                delivered.complete([entry], &SendOutcome::Failed(refusal), attempts);
            }
        }
        if throttled
            && self.throttle.on_throttled()
            && let Some(limit) = self.throttle.limit()
        {
            tracing::info!("throttled: limiting to {} messages/s", rounded(limit));
        }
        again
    }

    /// Waits before the next attempt. Returns false if the run was cancelled.
    async fn pause(&self, failures: u32) -> bool {
        self.sleep_until(Instant::now() + self.retry.full_jitter(failures)).await
    }

    async fn sleep_until(&self, then: Instant) -> bool {
        self.cancel.run_until_cancelled(tokio::time::sleep_until(then.into())).await.is_some()
    }

    fn warn_once(&self, refusal: &EntryError) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("retrying after: {refusal} (use -v to log every retry)");
        }
        tracing::debug!("trying again after: {refusal}");
    }
}

impl BatchDelivery {
    /// Returns the last failure if every message failed temporarily, in all attempts and not because of throttling.
    fn outage(&self) -> Option<&EntryError> {
        let failed = |sent: &'_ SentMessage| match &sent.outcome {
            SendOutcome::Failed(refusal) => refusal.kind.is_transient() && !refusal.is_throttling(),
            SendOutcome::Published { .. } | SendOutcome::Unsent => false,
        };
        let last = self.sent.last().filter(|_| self.sent.iter().all(failed))?;
        match &last.outcome {
            SendOutcome::Failed(refusal) => Some(refusal),
            SendOutcome::Published { .. } | SendOutcome::Unsent => None,
        }
    }

    fn complete(&mut self, entries: impl IntoIterator<Item = Entry>, outcome: &SendOutcome, attempts: u32) {
        let at = Instant::now();
        self.sent.extend(entries.into_iter().map(|entry| SentMessage {
            entry,
            outcome: outcome.clone(),
            attempts,
            at,
        }));
    }

    fn count(&mut self, code: &str, messages: u64) {
        match self.errors.get_mut(code) {
            Some(count) => *count += messages,
            None => _ = self.errors.insert(code.to_owned(), messages),
        }
    }
}

fn no_answer() -> Result<(), EntryError> {
    let message = "no response from the topic".into();
    Err(EntryError { kind: Kind::Transient, code: NO_RESPONSE.into(), message })
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;
    use crate::topic::memory::{Fault, Memory};

    const QUICK: RetryPolicy = RetryPolicy {
        max_attempts: 3,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
    };

    async fn deliver(topic: &Memory, cancel: &CancellationToken) -> BatchDelivery {
        BatchSender::new(Arc::new(topic.clone()), QUICK, 1, cancel.clone())
            .send((0..4).map(|n| entry(n, 1)).collect())
            .await
    }

    fn outcomes(delivered: &BatchDelivery) -> Vec<(u64, &'static str, u32)> {
        let name = |outcome: &SendOutcome| match outcome {
            SendOutcome::Published { .. } => "published",
            SendOutcome::Failed(_) => "dead",
            SendOutcome::Unsent => "unsent",
        };
        let mut outcomes: Vec<_> =
            delivered.sent.iter().map(|one| (one.entry.index, name(&one.outcome), one.attempts)).collect();
        outcomes.sort_unstable();
        outcomes
    }

    #[tokio::test]
    async fn only_entries_with_a_transient_error_are_retried() {
        let topic = Memory::default();
        topic.fail_next(Fault::Entry(2, Kind::Transient));
        topic.fail_next(Fault::Entry(0, Kind::Permanent));
        let delivered = deliver(&topic, &CancellationToken::default()).await;
        assert_eq!(
            outcomes(&delivered),
            [(0, "published", 1), (1, "published", 1), (2, "dead", 2), (3, "published", 1)]
        );
        assert_eq!((delivered.retries, topic.calls()), (1, 2));
    }

    #[tokio::test]
    async fn a_transient_request_error_is_retried_up_to_the_limit() {
        let topic = Memory::default();
        topic.fail_next(Fault::LostAnswer);
        let delivered = deliver(&topic, &CancellationToken::default()).await;
        assert_eq!(outcomes(&delivered)[3], (3, "published", 2));
        assert_eq!((delivered.retries, topic.published().len()), (4, 8), "the same four, with the same ids");
        for _ in 0..3 {
            topic.fail_next(Fault::Call(Kind::Transient));
        }
        let delivered = deliver(&topic, &CancellationToken::default()).await;
        assert!(outcomes(&delivered).iter().all(|&(_, outcome, attempts)| (outcome, attempts) == ("dead", 3)));
        assert_eq!((delivered.retries, delivered.fatal), (8, None));
    }

    #[tokio::test]
    async fn a_topic_that_fails_for_every_batch_ends_the_run() {
        let topic = Memory::default();
        let sender = BatchSender::new(Arc::new(topic.clone()), QUICK, 1, CancellationToken::default());
        let deliver = async |fails: bool| {
            for _ in 0..if fails { QUICK.max_attempts } else { 0 } {
                topic.fail_next(Fault::Call(Kind::Transient));
            }
            sender.send(vec![entry(0, 1)]).await
        };
        for fails in [true, true, false, true, true] {
            assert_eq!(deliver(fails).await.fatal, None);
        }
        let last = deliver(true).await;
        assert_eq!(outcomes(&last), [(0, "dead", 3)], "its own messages are dead letters, as those before");
        assert_eq!(
            last.fatal.as_deref(),
            Some("topic memory failed in all attempts of every batch: Planned: as planned")
        );
    }

    #[tokio::test]
    async fn a_permanent_rejection_ends_the_run_without_loss() {
        let topic = Memory::default();
        topic.fail_next(Fault::Call(Kind::Permanent));
        let delivered = deliver(&topic, &CancellationToken::default()).await;
        assert!(outcomes(&delivered).iter().all(|&(_, outcome, _)| outcome == "unsent"));
        assert_eq!(delivered.fatal.as_deref(), Some("topic memory: as planned"));
    }

    #[tokio::test]
    async fn a_cancelled_run_does_not_wait_for_a_retry() {
        let (topic, cancel) = (Memory::default(), CancellationToken::default());
        cancel.cancel();
        topic.fail_next(Fault::Entry(1, Kind::Transient));
        let delivered = deliver(&topic, &cancel).await;
        assert_eq!(outcomes(&delivered)[1], (1, "unsent", 1));
        assert_eq!((topic.calls(), topic.published().len()), (1, 3));
    }
}
