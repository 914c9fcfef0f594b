//! Groups requests that arrive one by one into batches for the intake.
//!
//! While one batch is processed, the messages that arrive become the next one. No request waits for a batch to fill,
//! and concurrent requests share a database statement. A received message is processed even if its sender has
//! disconnected.

use bytes::Bytes;
use chrono::Utc;
use tokio::sync::{mpsc, oneshot};

use crate::cancellation::CancellationToken;
use crate::process::{Outcome, record_results};
use crate::progress::Stage;
use pipeline::intake::{Intake, Verdict};

/// Maximum messages per batch.
const BATCH: usize = 100;

/// A message whose sender waits for its verdict.
#[derive(Debug)]
pub(super) struct PendingMessage {
    /// The id used in reports.
    pub id: String,
    /// The message body.
    pub body: Bytes,
    /// Channel for the verdict.
    pub answer: oneshot::Sender<Verdict>,
}

/// Processes waiting messages, one batch at a time.
#[derive(Debug)]
pub(super) struct IntakeBatcher {
    pub intake: Intake,
    pub waiting: mpsc::Receiver<PendingMessage>,
    /// Number of messages still to process; `None` if unlimited.
    pub left: Option<u64>,
    pub stage: Stage,
    /// Cancelled when the message limit is reached.
    pub limit_reached: CancellationToken,
}

impl IntakeBatcher {
    /// Runs until all senders are gone, `closing` fires, or the message limit is reached. Messages that are still
    /// waiting then get no verdict, and their senders must retry.
    pub(super) async fn run(mut self, mut closing: oneshot::Receiver<()>) -> Outcome {
        let mut outcome = Outcome { quarantine: self.intake.quarantine_address(), ..Outcome::default() };
        let mut open = true;
        while self.left != Some(0) {
            let max = self.left.map_or(BATCH, |left| usize::try_from(left).unwrap_or(BATCH).min(BATCH));
            let mut batch = Vec::with_capacity(max);
            tokio::select! {
                biased;
                count = self.waiting.recv_many(&mut batch, max) => {
                    if count == 0 {
                        break;
                    }
                    self.take(batch, &mut outcome).await;
                }
                _ = &mut closing, if open => {
                    open = false;
                    self.waiting.close();
                }
            }
        }
        self.limit_reached.cancel();
        self.stage.finish();
        outcome.conditional_writes = self.intake.conditional_writes();
        outcome
    }

    async fn take(&mut self, batch: Vec<PendingMessage>, outcome: &mut Outcome) {
        let count = batch.len() as u64;
        let mut bodies = Vec::with_capacity(batch.len());
        let mut senders = Vec::with_capacity(batch.len());
        for PendingMessage { id, body, answer } in batch {
            bodies.push(body);
            senders.push((id, answer));
        }
        let verdicts = self.intake.process(bodies, Utc::now()).await;
        record_results(outcome, senders.iter().map(|(id, _)| id.clone()), &verdicts);
        for ((_, answer), verdict) in senders.into_iter().zip(verdicts) {
            let _ = answer.send(verdict); // the sender may have disconnected
        }
        self.left = self.left.map(|left| left.saturating_sub(count));
        self.stage.add(count);
    }
}
