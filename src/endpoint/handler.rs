//! Request handler: checks that a request comes from SNS and an accepted topic, then confirms, records or processes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::batcher::PendingMessage;
use super::error::Error;
use super::fetch::Fetch;
use super::reply::Reply;
use super::request::{Delivery, printable, read};
use super::signature::Verifier;
use super::{LOOK, Settings, Signatures, trusted_url};
use crate::outcome::Counts;
use crate::process::Requests;
use pipeline::intake::MessageOutcome;
use pipeline::intake::envelope::Envelope;

/// How long a request waits for a free slot before it is rejected with 503. SNS times out after 15 s.
const TURN: Duration = Duration::from_secs(10);

/// Age above which a message is logged. SNS retries for an hour by default.
const OLD: TimeDelta = TimeDelta::hours(1);

/// State shared by all requests.
#[derive(Debug)]
pub(super) struct Handler {
    settings: Settings,
    verifier: Verifier,
    get: Arc<dyn Fetch>,
    waiting: mpsc::Sender<PendingMessage>,
    turns: Semaphore,
    counts: Mutex<Counts<Requests>>,
}

/// Handles one request.
pub(super) async fn answer(State(handler): State<Arc<Handler>>, request: Request) -> Reply {
    let path = request.uri().path();
    match *request.method() {
        Method::GET | Method::HEAD if path == "/health" => return Reply::Done("ok"),
        Method::GET | Method::HEAD => return Reply::NotFound,
        Method::POST => {}
        _ => return Reply::BadMethod,
    }
    let answer = handler.receive(request).await.unwrap_or_else(|answer| answer);
    handler.count(&answer);
    answer
}

impl Handler {
    pub(super) fn new(settings: Settings, get: Arc<dyn Fetch>, waiting: mpsc::Sender<PendingMessage>) -> Self {
        Self {
            verifier: Verifier::new(Arc::clone(&get)),
            turns: Semaphore::new(settings.concurrency),
            settings,
            get,
            waiting,
            counts: Mutex::default(),
        }
    }

    /// Returns the counters of requests that are not messages.
    pub(super) fn counts(&self) -> Counts<Requests> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when no request is in progress.
    pub(super) async fn idle(&self) {
        while self.turns.available_permits() < self.settings.concurrency {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn counted(&self, counter: Requests) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counter);
    }

    fn count(&self, answer: &Reply) {
        match answer {
            Reply::Done(_) | Reply::Failed | Reply::NotFound | Reply::BadMethod => {}
            Reply::NotSns(_) | Reply::Forbidden(_) | Reply::TooLarge => {
                tracing::warn!("request rejected: {}", answer.text());
                self.counted(Requests::Rejected);
            }
            Reply::RetryLater(why) => {
                tracing::warn!("request deferred: {why}");
                self.counted(Requests::Deferred);
            }
        }
    }

    async fn receive(&self, request: Request) -> Result<Reply, Reply> {
        let (head, body) = request.into_parts();
        let busy = |_| Reply::RetryLater("too busy, retry later".into());
        // The turn comes before the body, so that no more bodies are in memory than there are turns.
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await.map_err(busy)?;
        let _turn = turn.map_err(|_| Reply::RetryLater("stopping, deliver it again".into()))?;
        let delivery = Delivery::of(&head.headers, read(&head.headers, body).await?)?;
        self.check_topic(delivery.topic())?;
        match delivery {
            Delivery::Raw { id, body, .. } => match self.settings.signatures {
                Signatures::Skip => self.process_message(id, body).await,
                Signatures::Verify => Err(Reply::Forbidden(
                    "raw message delivery carries no signature: turn it off for this subscription".into(),
                )),
            },
            Delivery::Enveloped(envelope) => {
                self.verify(&envelope).await?;
                self.dispatch(*envelope).await
            }
        }
    }

    fn check_topic(&self, topic: &str) -> Result<(), Reply> {
        let accepted = self.settings.topics.is_empty() || self.settings.topics.iter().any(|one| one == topic);
        if accepted {
            return Ok(());
        }
        tracing::warn!(topic = printable(topic), "message from a topic not listed in --topic");
        Err(Reply::Forbidden("this topic is not accepted here".into()))
    }

    async fn verify(&self, envelope: &Envelope) -> Result<(), Reply> {
        let now = Utc::now();
        if self.settings.signatures == Signatures::Verify {
            self.verifier.verify(envelope, now).await.map_err(|e| match e {
                Error::Invalid(why) => Reply::Forbidden(format!("message rejected: {why}")),
                Error::Unavailable(why) => {
                    tracing::warn!("cannot verify the signature now: {why}");
                    Reply::RetryLater("its signature cannot be verified now, deliver it again".into())
                }
            })?;
        }
        let sent = envelope.timestamp.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        if let Some(age) = sent.map(|sent| now.signed_duration_since(sent)).filter(|age| age.abs() > OLD) {
            let id = printable(envelope.message_id.as_deref().unwrap_or_default());
            tracing::warn!(id, "a message whose Timestamp is {} minutes old", age.num_minutes());
        }
        Ok(())
    }

    async fn dispatch(&self, envelope: Envelope) -> Result<Reply, Reply> {
        match envelope.kind.as_str() {
            "Notification" => {
                let id = envelope.message_id.as_deref().map_or_else(|| "without an id".into(), printable);
                self.process_message(id, envelope.message.into()).await
            }
            "SubscriptionConfirmation" => self.confirm(&envelope).await,
            "UnsubscribeConfirmation" => {
                let topic = printable(&envelope.topic_arn);
                tracing::warn!(topic, "unsubscribed: this topic's messages no longer come here");
                self.counted(Requests::Unsubscribed);
                Ok(Reply::Done("noted"))
            }
            _ => Err(Reply::NotSns("its Type is none that SNS sends".into())),
        }
    }

    /// Confirms a subscription. The URL contains a token and is not logged.
    async fn confirm(&self, envelope: &Envelope) -> Result<Reply, Reply> {
        let text = envelope.subscribe_url.as_deref().unwrap_or_default();
        let url = match self.settings.signatures {
            Signatures::Verify => trusted_url::parse_sns_url(text),
            Signatures::Skip => trusted_url::parse_any_url(text),
        };
        let url = url.map_err(|why| Reply::Forbidden(format!("its SubscribeURL is not believed: {why}")))?;
        let topic = printable(&envelope.topic_arn);
        let failed = match self.get.get(&url).await {
            Ok(fetched) if (200..300).contains(&fetched.status) => {
                tracing::info!(topic, "subscribed");
                self.counted(Requests::Subscribed);
                return Ok(Reply::Done("subscribed"));
            }
            Ok(fetched) => format!("status {}", fetched.status),
            Err(why) => why,
        };
        tracing::warn!(topic, "the subscription could not be confirmed: {failed}");
        Err(Reply::RetryLater("the subscription could not be confirmed, deliver it again".into()))
    }

    async fn process_message(&self, id: String, body: Bytes) -> Result<Reply, Reply> {
        let (answer, verdict) = oneshot::channel();
        let stopping = || Reply::RetryLater("stopping, deliver it again".into());
        self.waiting.send(PendingMessage { id, body, answer }).await.map_err(|_| stopping())?;
        Ok(match MessageOutcome::alone(&verdict.await.map_err(|_| stopping())?) {
            MessageOutcome::RowRefused => Reply::Done("in the lake, its row is refused"),
            MessageOutcome::Duplicate => Reply::Done("duplicate"),
            MessageOutcome::Processed => Reply::Done("stored"),
            MessageOutcome::Quarantined => Reply::Done("quarantined"),
            MessageOutcome::Failed => Reply::Failed,
        })
    }
}
