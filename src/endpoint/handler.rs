//! Request handler: checks that a request comes from SNS and an accepted topic, then confirms, records or processes it.
//!
//! A request takes a slot of the intake only when its body is complete and its signature is verified, so slow senders
//! and fetches of certificates hold none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::body::Body;
use hyper::{Method, Request};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::batcher::PendingMessage;
use super::body_budget::BodyBudget;
use super::connections::{Connection, Connections, Phase};
use super::error::Error;
use super::fetch::Fetch;
use super::reply::Reply;
use super::request::{Delivery, quoted, read};
use super::signature::Verifier;
use super::warnings::{Warning, Warnings};
use super::{Settings, Signatures, Topics, trusted_url};
use crate::outcome::Counts;
use crate::process::Requests;
use pipeline::intake::MessageOutcome;
use pipeline::intake::envelope::Envelope;

/// Maximum time that a message waits for a free slot before it is deferred with 503. SNS times out after 15 s.
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
    bodies: BodyBudget,
    warnings: Arc<Warnings>,
    counts: Mutex<Counts<Requests>>,
}

impl Handler {
    pub(super) fn new(
        settings: Settings,
        get: Arc<dyn Fetch>,
        waiting: mpsc::Sender<PendingMessage>,
        connections: &Arc<Connections>,
        warnings: Arc<Warnings>,
    ) -> Self {
        Self {
            verifier: Verifier::new(Arc::clone(&get)),
            turns: Semaphore::new(settings.concurrency),
            bodies: BodyBudget::new(settings.max_body_memory, Arc::clone(connections)),
            settings,
            get,
            waiting,
            warnings,
            counts: Mutex::default(),
        }
    }

    /// Handles one request of a connection.
    pub(super) async fn answer<B: Body>(&self, connection: &Connection, request: Request<B>) -> Reply {
        connection.enter(Phase::Reading);
        let is_health = request.uri().path() == "/health";
        let answer = match *request.method() {
            Method::GET | Method::HEAD if is_health => self.health(),
            Method::GET | Method::HEAD => Reply::NotFound,
            Method::POST => self.receive(connection, request).await.unwrap_or_else(|answer| answer),
            _ => Reply::BadMethod,
        };
        self.count(&answer);
        connection.enter(Phase::Silent);
        answer
    }

    /// Returns the counters of requests that are not messages.
    pub(super) fn counts(&self) -> Counts<Requests> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn health(&self) -> Reply {
        if self.waiting.is_closed() { Reply::Unhealthy } else { Reply::Done("ok") }
    }

    fn counted(&self, counter: Requests) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counter);
    }

    fn count(&self, answer: &Reply) {
        match answer {
            Reply::Done(_) | Reply::Unhealthy | Reply::Failed | Reply::NotFound | Reply::BadMethod => {}
            Reply::NotSns(_) | Reply::Forbidden(_) | Reply::TooLarge => {
                self.warnings.log(Warning::Rejected, || format!("request rejected: {}", answer.text()));
                self.counted(Requests::Rejected);
            }
            Reply::RetryLater(why) => {
                self.warnings.log(Warning::Deferred, || format!("request deferred: {why}"));
                self.counted(Requests::Deferred);
            }
        }
    }

    async fn receive<B: Body>(&self, connection: &Connection, request: Request<B>) -> Result<Reply, Reply> {
        let (head, body) = request.into_parts();
        let (body, _memory) = read(&head.headers, body, &self.bodies).await?;
        connection.enter(Phase::Working);
        let delivery = Delivery::of(&head.headers, body)?;
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
        let accepted = match &self.settings.topics {
            Topics::Any => true,
            Topics::Only(topics) => topics.iter().any(|one| one == topic),
        };
        if accepted {
            return Ok(());
        }
        let text = || format!("message from a topic that is not listed in --topic: {}", quoted(topic));
        self.warnings.log(Warning::Topic, text);
        Err(Reply::Forbidden("this topic is not accepted here".into()))
    }

    async fn verify(&self, envelope: &Envelope) -> Result<(), Reply> {
        let now = Utc::now();
        if self.settings.signatures == Signatures::Verify {
            self.verifier.verify(envelope, now).await.map_err(|e| match e {
                Error::Invalid(why) => Reply::Forbidden(format!("message rejected: {why}")),
                Error::Unavailable(why) => {
                    let text = || format!("cannot verify the signature now: {why}");
                    self.warnings.log(Warning::Certificate, text);
                    Reply::RetryLater("its signature cannot be verified now, deliver it again".into())
                }
            })?;
        }
        let sent = envelope.timestamp.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        if let Some(age) = sent.map(|sent| now.signed_duration_since(sent)).filter(|age| age.abs() > OLD) {
            let id = quoted(envelope.message_id.as_deref().unwrap_or_default());
            let text = || format!("message {id} has a Timestamp that is {} minutes old", age.num_minutes());
            self.warnings.log(Warning::Age, text);
        }
        Ok(())
    }

    async fn dispatch(&self, envelope: Envelope) -> Result<Reply, Reply> {
        match envelope.kind.as_str() {
            "Notification" => {
                let id = envelope.message_id.as_deref().map_or_else(|| "without an id".into(), quoted);
                self.process_message(id, envelope.message.into()).await
            }
            "SubscriptionConfirmation" => self.confirm(&envelope).await,
            "UnsubscribeConfirmation" => {
                let topic = quoted(&envelope.topic_arn);
                let text = || format!("unsubscribed from {topic}: its messages no longer come here");
                self.warnings.log(Warning::Subscription, text);
                self.counted(Requests::Unsubscribed);
                Ok(Reply::Done("noted"))
            }
            _ => Err(Reply::NotSns("its Type is not one that SNS sends".into())),
        }
    }

    /// Confirms a subscription. The URL contains a token and is not logged.
    async fn confirm(&self, envelope: &Envelope) -> Result<Reply, Reply> {
        let text = envelope.subscribe_url.as_deref().unwrap_or_default();
        let url = match self.settings.signatures {
            Signatures::Verify => trusted_url::parse_sns_url(text),
            Signatures::Skip => trusted_url::parse_any_url(text),
        };
        let url = url.map_err(|why| Reply::Forbidden(format!("its SubscribeURL is not trusted: {why}")))?;
        let topic = quoted(&envelope.topic_arn);
        let failed = match self.get.get(&url).await {
            Ok(fetched) if (200..300).contains(&fetched.status) => {
                tracing::info!(topic, "subscribed");
                self.counted(Requests::Subscribed);
                return Ok(Reply::Done("subscribed"));
            }
            Ok(fetched) => format!("status {}", fetched.status),
            Err(why) => why,
        };
        let text = || format!("the subscription to {topic} could not be confirmed: {failed}");
        self.warnings.log(Warning::Subscription, text);
        Err(Reply::RetryLater("the subscription could not be confirmed, deliver it again".into()))
    }

    async fn process_message(&self, id: String, body: Bytes) -> Result<Reply, Reply> {
        let stopping = || Reply::RetryLater("stopping, deliver it again".into());
        let busy = |_| Reply::RetryLater("too busy, retry later".into());
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await.map_err(busy)?;
        let _turn = turn.map_err(|_| stopping())?;
        let (answer, verdict) = oneshot::channel();
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
