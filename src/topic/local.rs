//! The topic `local`: delivers to the intake in this process, as SNS and the Lambda would.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::Utc;

use super::{BatchLimits, Deliveries, Delivery, EntryError, Error, Message, Topic};
use pipeline::intake::{Intake, Meaning, StoreFailure, Verdict};
use pipeline::lake::{ConditionalWrites, PutResult};
use pipeline::record::MAX_MESSAGE_BYTES;

/// Entries per batch. Without a network, batches may be larger than the 10 of SNS.
const ENTRIES: usize = 1_000;

/// The intake as a topic.
#[derive(Debug, Clone)]
pub struct Local {
    intake: Intake,
    deliveries: Arc<Mutex<Deliveries>>,
}

impl Local {
    /// Creates a topic that delivers to that intake.
    pub fn new(intake: Intake) -> Self {
        let deliveries = Deliveries { quarantine: intake.quarantine_address(), ..Deliveries::default() };
        Self { intake, deliveries: Arc::new(Mutex::new(deliveries)) }
    }

    /// Counts a message that the intake accepted, and records its problem, if any.
    fn record(&self, verdict: &Verdict) {
        let meaning = verdict.meaning();
        // Of two messages with the same reading in flight, one creates the object; either can insert the row.
        let is_new = matches!(verdict, Verdict::Stored { object: PutResult::Created, .. });
        let (counter, place) = match &meaning {
            Meaning::Failed(_) => return,
            Meaning::Stored { id } if is_new => (Delivery::Stored, *id),
            Meaning::Stored { id } => (Delivery::Existing, *id),
            Meaning::Unverifiable { id, .. } => (Delivery::Unverifiable, *id),
            Meaning::Conflicting { id, .. } => (Delivery::Conflicting, *id),
            Meaning::RowRefused { id, .. } => (Delivery::Refused, *id),
            Meaning::Quarantined { key, .. } => (Delivery::Quarantined, *key),
        };
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        deliveries.counts.add(counter);
        if let Some(kind) = meaning.problem() {
            deliveries.problems.add(kind, place, meaning.to_string());
        }
    }
}

#[async_trait]
impl Topic for Local {
    fn address(&self) -> String {
        "local".into()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { entries: ENTRIES, bytes: ENTRIES * MAX_MESSAGE_BYTES }
    }

    /// Processes messages. A quarantined message counts as published, as on SNS; [`Topic::deliveries`] has the intake's
    /// results.
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
        let messages = batch.iter().map(|message| message.body.clone()).collect();
        let verdicts = self.intake.process(messages, Utc::now()).await;
        verdicts.iter().for_each(|verdict| self.record(verdict));
        let answers = verdicts.iter().map(|verdict| match verdict.meaning() {
            Meaning::Failed(StoreFailure { kind, message }) => {
                Err(EntryError { kind: *kind, code: "IntakeFailed".into(), message: message.clone() })
            }
            Meaning::Stored { .. }
            | Meaning::Unverifiable { .. }
            | Meaning::Conflicting { .. }
            | Meaning::RowRefused { .. }
            | Meaning::Quarantined { .. } => Ok(()),
        });
        Ok(answers.collect())
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn conditional_writes(&self) -> Option<ConditionalWrites> {
        Some(self.intake.conditional_writes())
    }

    fn deliveries(&self) -> Option<Deliveries> {
        Some(self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
