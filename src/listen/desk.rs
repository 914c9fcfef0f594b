//! Where requests are answered: is it SNS's, is it wanted, and then: confirm, note, or hand to the intake.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::answer::Answer;
use super::error::Error;
use super::gather::Waiting;
use super::get::Get;
use super::request::{Delivery, printable, read};
use super::signature::Verifier;
use super::{LOOK, Settings, Signatures, address};
use crate::outcome::Counts;
use crate::process::Requests;
use pipeline::intake::Fate;
use pipeline::intake::envelope::Envelope;

/// How long a request waits for its turn before it is told to come again; SNS gives up after 15 seconds.
const TURN: Duration = Duration::from_secs(10);

/// A message older than this is worth a word; SNS tries for an hour unless its policy says otherwise.
const OLD: TimeDelta = TimeDelta::hours(1);

/// Everything that answering takes.
#[derive(Debug)]
pub(super) struct Desk {
    settings: Settings,
    verifier: Verifier,
    get: Arc<dyn Get>,
    waiting: mpsc::Sender<Waiting>,
    turns: Semaphore,
    counts: Mutex<Counts<Requests>>,
}

/// Answers one request.
pub(super) async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Answer {
    let path = request.uri().path();
    match *request.method() {
        Method::GET | Method::HEAD if path == "/health" => return Answer::Done("ok"),
        Method::GET | Method::HEAD => return Answer::NotFound,
        Method::POST => {}
        _ => return Answer::BadMethod,
    }
    let answer = desk.receive(request).await.unwrap_or_else(|answer| answer);
    desk.count(&answer);
    answer
}

impl Desk {
    pub(super) fn new(settings: Settings, get: Arc<dyn Get>, waiting: mpsc::Sender<Waiting>) -> Self {
        Self {
            verifier: Verifier::new(Arc::clone(&get)),
            turns: Semaphore::new(settings.concurrency),
            settings,
            get,
            waiting,
            counts: Mutex::default(),
        }
    }

    /// What came besides messages.
    pub(super) fn counts(&self) -> Counts<Requests> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends when no request is being answered.
    pub(super) async fn idle(&self) {
        while self.turns.available_permits() < self.settings.concurrency {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn counted(&self, counter: Requests) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counter);
    }

    fn count(&self, answer: &Answer) {
        match answer {
            Answer::Done(_) | Answer::Failed | Answer::NotFound | Answer::BadMethod => {}
            Answer::NotSns(_) | Answer::Forbidden(_) | Answer::TooLarge => {
                tracing::warn!("request rejected: {}", answer.text());
                self.counted(Requests::Refused);
            }
            Answer::PutOff(why) => {
                tracing::warn!("request deferred: {why}");
                self.counted(Requests::PutOff);
            }
        }
    }

    async fn receive(&self, request: Request) -> Result<Answer, Answer> {
        let (head, body) = request.into_parts();
        let busy = |_| Answer::PutOff("too busy, retry later".into());
        // The turn comes before the body, so that no more bodies are in memory than there are turns.
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await.map_err(busy)?;
        let _turn = turn.map_err(|_| Answer::PutOff("stopping, deliver it again".into()))?;
        let delivery = Delivery::of(&head.headers, read(&head.headers, body).await?)?;
        self.accept_topic(delivery.topic())?;
        match delivery {
            Delivery::Raw { id, body, .. } => match self.settings.signatures {
                Signatures::Skip => self.take(id, body).await,
                Signatures::Verify => Err(Answer::Forbidden(
                    "raw message delivery carries no signature: turn it off for this subscription".into(),
                )),
            },
            Delivery::Enveloped(envelope) => {
                self.believe(&envelope).await?;
                self.act(*envelope).await
            }
        }
    }

    fn accept_topic(&self, topic: &str) -> Result<(), Answer> {
        let accepted = self.settings.topics.is_empty() || self.settings.topics.iter().any(|one| one == topic);
        if accepted {
            return Ok(());
        }
        tracing::warn!(topic = printable(topic), "message from a topic not listed in --topic");
        Err(Answer::Forbidden("this topic is not accepted here".into()))
    }

    async fn believe(&self, envelope: &Envelope) -> Result<(), Answer> {
        let now = Utc::now();
        if self.settings.signatures == Signatures::Verify {
            self.verifier.verify(envelope, now).await.map_err(|e| match e {
                Error::Invalid(why) => Answer::Forbidden(format!("message rejected: {why}")),
                Error::Unavailable(why) => {
                    tracing::warn!("cannot verify the signature now: {why}");
                    Answer::PutOff("its signature cannot be verified now, deliver it again".into())
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

    async fn act(&self, envelope: Envelope) -> Result<Answer, Answer> {
        match envelope.kind.as_str() {
            "Notification" => {
                let id = envelope.message_id.as_deref().map_or_else(|| "without an id".into(), printable);
                self.take(id, envelope.message.into()).await
            }
            "SubscriptionConfirmation" => self.confirm(&envelope).await,
            "UnsubscribeConfirmation" => {
                let topic = printable(&envelope.topic_arn);
                tracing::warn!(topic, "unsubscribed: this topic's messages no longer come here");
                self.counted(Requests::Unsubscribed);
                Ok(Answer::Done("noted"))
            }
            _ => Err(Answer::NotSns("its Type is none that SNS sends".into())),
        }
    }

    /// Confirms a subscription; the address has a token in it and is not logged.
    async fn confirm(&self, envelope: &Envelope) -> Result<Answer, Answer> {
        let text = envelope.subscribe_url.as_deref().unwrap_or_default();
        let url = match self.settings.signatures {
            Signatures::Verify => address::of_sns(text),
            Signatures::Skip => address::any(text),
        };
        let url = url.map_err(|why| Answer::Forbidden(format!("its SubscribeURL is not believed: {why}")))?;
        let topic = printable(&envelope.topic_arn);
        let failed = match self.get.get(&url).await {
            Ok(fetched) if (200..300).contains(&fetched.status) => {
                tracing::info!(topic, "subscribed");
                self.counted(Requests::Subscribed);
                return Ok(Answer::Done("subscribed"));
            }
            Ok(fetched) => format!("status {}", fetched.status),
            Err(why) => why,
        };
        tracing::warn!(topic, "the subscription could not be confirmed: {failed}");
        Err(Answer::PutOff("the subscription could not be confirmed, deliver it again".into()))
    }

    async fn take(&self, id: String, body: Bytes) -> Result<Answer, Answer> {
        let (answer, verdict) = oneshot::channel();
        let stopping = || Answer::PutOff("stopping, deliver it again".into());
        self.waiting.send(Waiting { id, body, answer }).await.map_err(|_| stopping())?;
        Ok(match Fate::alone(&verdict.await.map_err(|_| stopping())?) {
            Fate::Refused => Answer::Done("in the lake, its row is refused"),
            Fate::Duplicate => Answer::Done("duplicate"),
            Fate::Processed => Answer::Done("stored"),
            Fate::Quarantined => Answer::Done("quarantined"),
            Fate::Failed => Answer::Failed,
        })
    }
}
