//! The handler: an event → the intake → the response for Lambda.

use std::time::SystemTime;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use bytes::Bytes;
use chrono::Utc;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use pipeline::intake::event::{self, Event, EventSource};
use pipeline::intake::{Meaning, MessageOutcome, Verdict};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Duration, Instant};

use crate::Clients;
use crate::metrics::Counts;

/// Time reserved before the deadline, to write the log and to respond.
const RESPONSE_MARGIN: Duration = Duration::from_millis(500);

/// Response to Lambda for a processed event.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum HandlerResponse {
    /// For SNS and direct invocations: the counts.
    Counts(Counts),
    /// For SQS: the items to redeliver.
    BatchItemFailures(SqsBatchResponse),
}

/// A store failed, and the event must be redelivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failed} of {messages} messages failed and must be retried: {first}")]
pub struct RetryableFailure {
    /// Number of failed messages.
    pub failed: u64,
    /// Number of messages in the event.
    pub messages: u64,
    /// Reason for the first failure.
    pub first: String,
}

impl From<RetryableFailure> for Diagnostic {
    fn from(failed: RetryableFailure) -> Self {
        Self { error_type: "RetryableError".into(), error_message: failed.to_string() }
    }
}

/// Handles events until Lambda ends the process.
///
/// # Errors
/// Returns an error if the Runtime API fails.
pub async fn serve(clients: Clients) -> Result<(), Error> {
    let clients = &clients;
    lambda_runtime::run(service_fn(move |event| handle(event, clients))).await
}

/// Processes an event.
///
/// # Errors
/// Returns an error if a message of an SNS event must be redelivered. For SQS, the response lists such items.
pub async fn handle(event: LambdaEvent<Box<RawValue>>, clients: &Clients) -> Result<HandlerResponse, RetryableFailure> {
    let LambdaEvent { payload, context } = event;
    let mut counts = Counts::default();
    let parsed = Event::parse(payload.get().as_bytes());
    let source = parsed.as_ref().ok().map(|event| event.source);
    let failures = match parsed {
        Ok(event) => process_event(event, deadline(context.deadline()), clients, &mut counts).await,
        Err(event::Error::Empty) => {
            tracing::warn!("the event has an empty list of Records: nothing to do");
            Vec::new()
        }
        Err(why) => quarantine_event(payload.get(), &why, deadline(context.deadline()), clients, &mut counts).await,
    };
    clients.metrics.write(&context.request_id, &counts, Utc::now());
    match failures.first() {
        _ if source == Some(EventSource::Sqs) => Ok(HandlerResponse::items(failures)),
        None => Ok(HandlerResponse::Counts(counts)),
        Some(first) => {
            let (failed, messages, first) = (counts.failed, counts.messages, first.why.clone());
            Err(RetryableFailure { failed, messages, first })
        }
    }
}

/// A message that must be redelivered.
struct FailedItem {
    id: String,
    why: String,
}

impl HandlerResponse {
    fn items(failures: Vec<FailedItem>) -> Self {
        let mut response = SqsBatchResponse::default();
        for failure in failures {
            let mut item = BatchItemFailure::default();
            item.item_identifier = failure.id;
            response.batch_item_failures.push(item);
        }
        Self::BatchItemFailures(response)
    }
}

/// Processes the messages of an event and returns those that must be redelivered.
async fn process_event(
    event: Event,
    until: Option<Instant>,
    clients: &Clients,
    counts: &mut Counts,
) -> Vec<FailedItem> {
    let (ids, bodies): (Vec<_>, Vec<_>) = event.messages.into_iter().map(|message| (message.id, message.body)).unzip();
    let taken = clients.intake.process_until(bodies, Utc::now(), until).await;
    counts.record_times(taken.lake, taken.warehouse);
    let outcomes = MessageOutcome::classify(&taken.verdicts);
    let mut failures = Vec::new();
    for ((id, verdict), outcome) in ids.into_iter().zip(taken.verdicts).zip(outcomes) {
        counts.count(outcome);
        counts.conflicting += u64::from(matches!(verdict.meaning(), Meaning::Conflicting { .. }));
        counts.unverifiable += u64::from(verdict.unverifiable().is_some());
        log(&id, outcome, &verdict);
        if let Meaning::Failed(failure) = verdict.meaning() {
            failures.push(FailedItem { id, why: failure.message.clone() });
        }
    }
    failures
}

fn log(message_id: &str, result: MessageOutcome, verdict: &Verdict) {
    let outcome = result.name();
    match verdict.meaning() {
        Meaning::RowRefused { id, why } => {
            tracing::error!(message_id, outcome, id, why, "stored in the lake, but the table refused its row");
        }
        Meaning::Conflicting { id, conflict } => {
            tracing::warn!(message_id, outcome, id, fields = conflict.fields(), "the existing row has other values");
        }
        Meaning::Unverifiable { id, why } => {
            tracing::warn!(message_id, outcome, id, why, "its object exists and cannot be read; its row was checked");
        }
        Meaning::Stored { id } => tracing::info!(message_id, outcome, id, "stored"),
        Meaning::Quarantined { reason, key } => {
            tracing::warn!(message_id, outcome, key, %reason, "not processable: quarantined");
        }
        Meaning::Failed(failure) => {
            tracing::error!(message_id, outcome, why = failure.message, "failed, will be retried")
        }
    }
}

/// Quarantines an unrecognized event, and returns the failure if that failed.
async fn quarantine_event(
    event: &str,
    why: &event::Error,
    until: Option<Instant>,
    clients: &Clients,
    counts: &mut Counts,
) -> Vec<FailedItem> {
    let event = Bytes::copy_from_slice(event.as_bytes());
    let kept = clients.intake.keep_event(&event, why, Utc::now(), until).await;
    let result = if kept.is_ok() { MessageOutcome::Quarantined } else { MessageOutcome::Failed };
    counts.count(result);
    match kept {
        Ok(key) => {
            tracing::error!(outcome = result.name(), key, %why, "unsupported event: quarantined");
            Vec::new()
        }
        Err(failure) => {
            tracing::error!(outcome = result.name(), why = failure.message, "failed, will be retried");
            vec![FailedItem { id: "event".into(), why: failure.message }]
        }
    }
}

/// Returns the time at which work stops; `None` if the deadline passed before the event arrived. `cargo lambda watch`
/// sends such deadlines, and Lambda itself ends late invocations.
fn deadline(deadline: SystemTime) -> Option<Instant> {
    let left = deadline.duration_since(SystemTime::now()).ok()?;
    Some(Instant::now() + left.saturating_sub(RESPONSE_MARGIN.min(left / 4)))
}
