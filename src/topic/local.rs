//! The topic `local`: delivers to the intake in this process, as SNS and the Lambda would.

use async_trait::async_trait;
use chrono::Utc;

use super::{BatchLimits, EntryError, Error, Message, Topic};
use pipeline::intake::{Intake, Meaning, StoreFailure};
use pipeline::lake::ConditionalWrites;
use pipeline::record::MAX_MESSAGE_BYTES;

/// Entries per batch. Without a network, batches may be larger than the 10 of SNS.
const ENTRIES: usize = 1_000;

/// The intake as a topic.
#[derive(Debug, Clone)]
pub struct Local {
    intake: Intake,
}

impl Local {
    /// Creates a topic that delivers to that intake.
    pub fn new(intake: Intake) -> Self {
        Self { intake }
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

    /// A quarantined message counts as published: how its receiver processes it does not concern the topic.
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
        let messages = batch.iter().map(|message| message.body.clone()).collect();
        let verdicts = self.intake.process(messages, Utc::now()).await;
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
}
