//! A batch of records into the warehouse, each part of it in one transaction with the journal's entries about it.
//!
//! [`engine`] loads a part over a small sink: look what is there, [`classify`], apply, and split what is refused. Around it
//! are the journal's entries ([`entries`]), reading back ([`verify`]), and waiting for a server ([`wait`]).

use std::time::{Duration, Instant};

mod classify;
mod engine;
mod entries;
mod existing;
mod loader;
mod sink;
mod verify;
mod wait;

use super::load_error::LoadError;
use super::order::ReplayEntry;
use classify::Classifier;
use engine::PartResult;
pub(super) use loader::{Batch, LoadedBatch, Loader, PendingJournal};
use sink::BatchSink;

/// How long the pieces of a batch go on before the throttle is asked again.
const LOOK: Duration = Duration::from_secs(1);

impl Loader {
    /// Loads a batch; it may come apart into several transactions where rows are refused.
    pub(super) async fn load(&self, batch: Batch, loaded: &mut LoadedBatch) -> Result<(), LoadError> {
        let Batch { order, entries, pending } = batch;
        let mut sink = BatchSink::new(self, order, pending, loaded);
        let ended = self.load_parts(entries, &mut sink).await;
        sink.abort();
        ended
    }

    async fn load_parts(&self, entries: Vec<ReplayEntry>, sink: &mut BatchSink<'_>) -> Result<(), LoadError> {
        let classifier = Classifier::of(self, sink.order());
        let mut work = vec![entries];
        let mut passed: Option<Instant> = None;
        while let Some(part) = work.pop() {
            // The rows of a batch count once, however many pieces it comes apart into.
            if passed.is_none_or(|at| at.elapsed() >= LOOK) {
                let rows = if passed.is_none() { part.len() } else { 0 };
                self.throttle.acquire(rows, self.unavailable_timeout).await?;
                passed = Some(Instant::now());
            }
            sink.begin_part(&part);
            let ended = engine::load_part(part, &classifier, sink).await;
            sink.end_part();
            if let PartResult::Split(first, second) = ended? {
                work.push(second);
                work.push(first);
            }
        }
        Ok(())
    }
}
