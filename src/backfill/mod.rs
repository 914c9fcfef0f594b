//! Backfill: history files that never went through the stream, processed by the intake in bulk.
//!
//! Batches of a fixed size, a few of them in progress at once. The intake is idempotent, so a run can always be
//! repeated from the start.

use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use chrono::Utc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cancellation::CancellationToken;
use crate::compression::CompressionFormat;
use crate::herd::LineFormat;
use crate::history::{self, InputMessage};
use crate::progress::{Progress, Stage};
use pipeline::intake::{Intake, Meaning, Verdict};
use pipeline::lake::PutResult;
use pipeline::warehouse::LoadResult;

mod outcome;

pub use outcome::{Count, Outcome};

/// Messages per batch.
const BATCH: usize = 1_000;
/// Batches in progress at once: while one waits for the warehouse, the next writes its objects.
const BATCHES: usize = 3;

/// The input files of a run.
#[derive(Debug, Clone)]
pub struct InputFiles {
    /// The files, in order; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// Format of the files; `None` to detect it from the file extension.
    pub format: Option<LineFormat>,
}

/// A batch in progress: the places of its messages, and its task.
struct Batch {
    places: Vec<String>,
    bytes: u64,
    work: JoinHandle<Vec<Verdict>>,
}

/// Processes every message of the files.
///
/// # Errors
///
/// Returns an error if a file cannot be opened, or a store rejects permanently before anything was stored.
pub async fn run(
    files: InputFiles,
    intake: Intake,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    for path in files.paths.iter().filter(|path| path.as_os_str() != "-") {
        let meta = std::fs::File::open(path).and_then(|file| file.metadata());
        let meta = meta.map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        anyhow::ensure!(!meta.is_dir(), "{} is a directory: pass its files", path.display());
    }
    let stage = progress.stage("backfill", "messages", None);
    let whole = size(&files);
    let (messages, reading) = read(files, cancel.clone());
    let Taken { mut outcome, permanent } = take_all(messages, &intake, &stage, whole, cancel).await?;
    if !reading.await? {
        outcome.stopped.get_or_insert_with(|| "interrupted".into());
    }
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
struct Taken {
    outcome: Outcome,
    /// The first permanent error of a store.
    permanent: Option<String>,
}

/// Processes the batches, a few at once, until there are no more or the run has stopped.
async fn take_all(
    mut messages: Batches,
    intake: &Intake,
    stage: &Stage,
    whole: Option<u64>,
    cancel: &CancellationToken,
) -> anyhow::Result<Taken> {
    let (mut taken, mut bytes) = (Taken::default(), 0_u64);
    let mut under_way = std::collections::VecDeque::new();
    let mut more = true;
    while (more && taken.outcome.stopped.is_none()) || !under_way.is_empty() {
        while more && taken.outcome.stopped.is_none() && under_way.len() < BATCHES {
            match messages.recv().await {
                // Read, but not begun: the next run reads it again.
                Some(_) if cancel.is_cancelled() => taken.outcome.stopped = Some("interrupted".into()),
                Some(Ok(batch)) => under_way.push_back(begin(batch, intake)),
                Some(Err(e)) => taken.outcome.stopped = Some(e.to_string()),
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
                record_result(&mut taken, place, verdict);
            }
        }
    }
    Ok(taken)
}

/// Returns the size of all files in bytes; `None` if one is a stream or compressed. An estimate of the progress,
/// because a CSV row grows when it becomes a message.
fn size(files: &InputFiles) -> Option<u64> {
    files
        .paths
        .iter()
        .map(|path| {
            let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
            meta.filter(|_| CompressionFormat::from_path(path).0 == CompressionFormat::None).map(|meta| meta.len())
        })
        .sum()
}

type Batches = mpsc::Receiver<Result<Vec<InputMessage>, history::Error>>;

/// Reads the files in a separate thread, a few batches ahead. The thread returns true if it reached their end.
fn read(files: InputFiles, cancel: CancellationToken) -> (Batches, JoinHandle<bool>) {
    let (send, receive) = mpsc::channel(BATCHES);
    let reading = tokio::task::spawn_blocking(move || {
        let mut batch = Vec::with_capacity(BATCH);
        for path in &files.paths {
            if let Err(e) = read_file(path, files.format, &cancel, &mut batch, &send) {
                // The receiver is gone if the run has ended.
                let _ = send.blocking_send(Ok(std::mem::take(&mut batch)));
                let _ = e.map(|e| send.blocking_send(Err(e)));
                return false;
            }
        }
        batch.is_empty() || send.blocking_send(Ok(batch)).is_ok()
    });
    (receive, reading)
}

/// Reads one file.
///
/// # Errors
///
/// Returns an error if the file cannot be read, or `None` as the error if the run must stop.
fn read_file(
    path: &Path,
    format: Option<LineFormat>,
    cancel: &CancellationToken,
    batch: &mut Vec<InputMessage>,
    send: &mpsc::Sender<Result<Vec<InputMessage>, history::Error>>,
) -> Result<(), Option<history::Error>> {
    for message in history::messages(path, format)? {
        if cancel.is_cancelled() {
            batch.clear(); // not started yet: the next run reads it again
            return Err(None);
        }
        batch.push(message?);
        if batch.len() == BATCH {
            let full = std::mem::replace(batch, Vec::with_capacity(BATCH));
            send.blocking_send(Ok(full)).map_err(|_| None)?;
        }
    }
    Ok(())
}

fn begin(batch: Vec<InputMessage>, intake: &Intake) -> Batch {
    let places = batch.iter().map(|message| format!("{}:{}", message.file, message.line)).collect();
    let bytes = batch.iter().map(|message| message.body.len() as u64 + 1).sum();
    let messages: Vec<Bytes> = batch.into_iter().map(|message| message.body).collect();
    let intake = intake.clone();
    Batch { places, bytes, work: tokio::spawn(async move { intake.process(messages, Utc::now()).await }) }
}

fn record_result(taken: &mut Taken, place: String, verdict: &Verdict) {
    let outcome = &mut taken.outcome;
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
                taken.permanent.get_or_insert_with(|| failure.message.clone());
            }
            meaning.problem()
        }
        Meaning::Stored { .. } | Meaning::Conflicting { .. } | Meaning::RowRefused { .. } => meaning.problem(),
    };
    if let Some(kind) = kind {
        outcome.problems.add(kind, place, meaning.to_string());
    }
}
