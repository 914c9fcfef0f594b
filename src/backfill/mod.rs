//! Backfill: history files that never went through the stream, processed by the intake in bulk.
//!
//! Batches of bounded size, a few of them in progress at once. The intake is idempotent, so a run can always be
//! repeated from the start.

use std::time::Instant;

use bytes::Bytes;
use chrono::Utc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cancellation::CancellationToken;
use crate::history::{self, InputMessage, InputReport, Inputs};
use crate::progress::{Progress, Stage};
use pipeline::intake::{Intake, Meaning, Verdict};
use pipeline::lake::PutResult;
use pipeline::warehouse::LoadResult;

mod batch;
mod outcome;

use batch::MessageBatch;
pub use outcome::{Count, Outcome};

/// Batches in progress at once: while one waits for the warehouse, the next writes its objects.
const BATCHES: usize = 3;

/// A batch in progress: the places of its messages, and its task.
struct Batch {
    places: Vec<String>,
    bytes: u64,
    work: JoinHandle<Vec<Verdict>>,
}

/// Processes every message of the files, apart from the rejected ones.
///
/// # Errors
///
/// Returns an error if a store rejects permanently before anything was stored.
pub async fn run(
    files: Inputs,
    intake: Intake,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let stage = progress.stage("backfill", "messages", None);
    let whole = files.size().map(|(messages, bytes)| messages + bytes);
    let reports: Vec<InputReport> = files.reports().cloned().collect();
    let (messages, reading) = read(files, cancel.clone());
    let Results { mut outcome, permanent } = process_all(messages, &intake, &stage, whole, cancel).await?;
    let ReadEnd { complete, found } = reading.await?;
    if !complete {
        outcome.stopped.get_or_insert_with(|| "interrupted".into());
    }
    reports.into_iter().chain(found).for_each(|report| outcome.add_input(report));
    stage.finish();
    outcome.quarantine = intake.quarantine_address();
    outcome.conditional_writes = intake.conditional_writes();
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.check()?;
    // Nothing was stored and the stores reject permanently: report an error instead of an outcome.
    match permanent {
        Some(why) if outcome.counts[Count::Written] + outcome.counts[Count::Existing] == 0 => anyhow::bail!(why),
        _ => Ok(outcome),
    }
}

/// Results so far.
#[derive(Default)]
struct Results {
    outcome: Outcome,
    /// The first permanent error of a store.
    permanent: Option<String>,
}

/// Processes the batches, a few at once, until there are no more or the run has stopped.
async fn process_all(
    mut messages: Batches,
    intake: &Intake,
    stage: &Stage,
    whole: Option<u64>,
    cancel: &CancellationToken,
) -> anyhow::Result<Results> {
    let (mut results, mut bytes) = (Results::default(), 0_u64);
    let mut under_way = std::collections::VecDeque::new();
    let mut more = true;
    while (more && results.outcome.stopped.is_none()) || !under_way.is_empty() {
        while more && results.outcome.stopped.is_none() && under_way.len() < BATCHES {
            match messages.recv().await {
                // Read, but not started: the next run reads it again.
                Some(_) if cancel.is_cancelled() => results.outcome.stopped = Some("interrupted".into()),
                Some(Ok(batch)) => under_way.push_back(begin(batch, intake)),
                Some(Err(e)) => results.outcome.stopped = Some(e.to_string()),
                None => more = false,
            }
        }
        if let Some(batch) = under_way.pop_front() {
            stage.add(batch.places.len() as u64);
            bytes += batch.bytes;
            if let Some(whole) = whole {
                stage.set_fraction(bytes as f64 / whole.max(1) as f64);
            }
            let verdicts = batch.work.await?;
            for (place, verdict) in batch.places.into_iter().zip(&verdicts) {
                record_result(&mut results, place, verdict);
            }
        }
    }
    Ok(results)
}

type Batches = mpsc::Receiver<Result<Vec<InputMessage>, history::Error>>;

/// Result of the reading thread.
struct ReadEnd {
    /// Whether it reached the end of the files.
    complete: bool,
    /// What was found in files that were not inspected before.
    found: Vec<InputReport>,
}

/// Reads the files in a separate thread, a few batches ahead.
fn read(files: Inputs, cancel: CancellationToken) -> (Batches, JoinHandle<ReadEnd>) {
    let (send, receive) = mpsc::channel(BATCHES);
    let reading = tokio::task::spawn_blocking(move || {
        let mut reader = FileReader { files, cancel, send, batch: MessageBatch::default(), found: Vec::new() };
        let complete = reader.read();
        ReadEnd { complete, found: reader.found }
    });
    (receive, reading)
}

/// State of the reading thread.
struct FileReader {
    files: Inputs,
    cancel: CancellationToken,
    send: mpsc::Sender<Result<Vec<InputMessage>, history::Error>>,
    batch: MessageBatch,
    found: Vec<InputReport>,
}

impl FileReader {
    /// Reads all files. Returns true if it reached their end.
    fn read(&mut self) -> bool {
        for at in 0..self.files.len() {
            if !self.files.is_rejected(at)
                && let Err(e) = self.read_file(at)
            {
                // The receiver is gone if the run has ended.
                let _ = self.send.blocking_send(Ok(self.batch.take()));
                let _ = e.map(|e| self.send.blocking_send(Err(e)));
                return false;
            }
        }
        let last = self.batch.take();
        last.is_empty() || self.send.blocking_send(Ok(last)).is_ok()
    }

    /// Reads one file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or `None` as the error if the run must stop.
    fn read_file(&mut self, at: usize) -> Result<(), Option<history::Error>> {
        let before = self.batch.len();
        let mut any_sent = false;
        match self.read_messages(at, &mut any_sent) {
            // Nothing of the file was handed over, so it can still be rejected as a whole.
            Err(Some(e)) if !any_sent && e.rejection().is_some() => {
                self.batch.truncate(before);
                self.found.extend(e.report());
                Ok(())
            }
            read => read,
        }
    }

    fn read_messages(&mut self, at: usize, any_sent: &mut bool) -> Result<(), Option<history::Error>> {
        let mut file = self.files.open(at)?;
        for message in &mut file {
            if self.cancel.is_cancelled() {
                self.batch.take(); // not started yet: the next run reads it again
                return Err(None);
            }
            if let Some(full) = self.batch.push(message?) {
                self.send.blocking_send(Ok(full)).map_err(|_| None)?;
                *any_sent = true;
            }
        }
        if self.files.report(at).is_none() {
            self.found.push(file.into_report(true));
        }
        Ok(())
    }
}

fn begin(batch: Vec<InputMessage>, intake: &Intake) -> Batch {
    let places = batch.iter().map(|message| format!("{}:{}", message.file, message.line)).collect();
    let bytes = batch.iter().map(|message| message.body.len() as u64 + 1).sum();
    let messages: Vec<Bytes> = batch.into_iter().map(|message| message.body).collect();
    let intake = intake.clone();
    Batch { places, bytes, work: tokio::spawn(async move { intake.process(messages, Utc::now()).await }) }
}

fn record_result(results: &mut Results, place: String, verdict: &Verdict) {
    let outcome = &mut results.outcome;
    outcome.counts.add(Count::Read);
    if let Verdict::Stored { object, row, .. } = verdict {
        outcome.counts.add(match object {
            PutResult::Created => Count::Written,
            PutResult::AlreadyExists => Count::Existing,
        });
        outcome.counts.add(match row {
            LoadResult::Inserted => Count::Inserted,
            LoadResult::Identical => Count::Identical,
            LoadResult::Conflicting(_) | LoadResult::Overwritten(_) => Count::Conflicting,
            LoadResult::Refused(_) => Count::RowsRefused,
        });
    }
    if verdict.unverifiable().is_some() {
        outcome.counts.add(Count::Unverifiable);
    }
    let meaning = verdict.meaning();
    let kind = match meaning {
        Meaning::Quarantined { .. } => {
            outcome.counts.add(Count::Rejected);
            Some("rejected")
        }
        Meaning::Failed(failure) => {
            outcome.counts.add(Count::Failed);
            outcome.stopped.get_or_insert_with(|| failure.message.clone());
            if !failure.kind.is_transient() {
                results.permanent.get_or_insert_with(|| failure.message.clone());
            }
            meaning.problem()
        }
        Meaning::Stored { .. }
        | Meaning::Unverifiable { .. }
        | Meaning::Conflicting { .. }
        | Meaning::RowRefused { .. } => meaning.problem(),
    };
    if let Some(kind) = kind {
        let reason = match meaning {
            Meaning::Quarantined { reason, .. } => history::invalid_reason(reason),
            _ => meaning.to_string(),
        };
        outcome.problems.add(kind, place, reason);
    }
}
