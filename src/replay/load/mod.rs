//! Loads a batch of records into the warehouse; each part and its journal entries share one transaction.
//!
//! [`pipeline::warehouse::load`] reads the existing rows, classifies the records, writes them, and bisects a batch that
//! is rejected. This module is its [`sink`]. It adds the journal entries ([`entries`]), the undo file, the comparison
//! with rows read back ([`verify`]), the throttle, and waiting for a server ([`wait`]).

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
    /// Loads a batch; it is split into several transactions if rows are rejected.
    pub(super) async fn load(&self, batch: Batch, loaded: &mut LoadedBatch) -> Result<(), LoadError> {
        let Batch { order, entries, pending } = batch;
        let mut sink = BatchSink::new(self, order, pending, loaded);
        let ended = load::run(entries, &mut sink).await;
        sink.abort();
        ended
    }
}
