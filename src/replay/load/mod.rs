//! A batch of records into the warehouse, each part of it in one transaction with the journal's entries about it.
//!
//! The engine is [`pipeline::warehouse::load`]: look what is there, classify, apply, and bisect what is refused. This module is its
//! [`sink`], with the journal's entries ([`entries`]), the undo file, reading back ([`verify`]), throttling, and waiting for a
//! server ([`wait`]).

mod entries;
mod loader;
mod sink;
mod verify;
mod wait;

use super::load_error::LoadError;
pub(super) use loader::{Batch, LoadedBatch, Loader, PendingJournal};
use pipeline::warehouse::load;
use sink::BatchSink;

impl Loader {
    /// Loads a batch; it may come apart into several transactions where rows are refused.
    pub(super) async fn load(&self, batch: Batch, loaded: &mut LoadedBatch) -> Result<(), LoadError> {
        let Batch { order, entries, pending } = batch;
        let mut sink = BatchSink::new(self, order, pending, loaded);
        let ended = load::run(entries, &mut sink).await;
        sink.abort();
        ended
    }
}
