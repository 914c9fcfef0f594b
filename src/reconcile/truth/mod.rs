//! Truth check: which records the stores and the quarantine must contain, and which they must not.
//!
//! | expectation | through `publish` | through `publish --send-invalid` | through `backfill` |
//! | --- | --- | --- | --- |
//! | stored | in both stores | the same | the same |
//! | quarantined | in no store: it is not sent | in the quarantine | in the quarantine |
//! | `oversized` | in no store | the same | in both stores: files have no such limit |
//! | `undelivered` | in no store | the same | the same |
//!
//! Ids and hashes are sorted on disk like those of the lake and use the same merge, so only one batch of them is in
//! memory. If the ingest path ([`IngestPath`]) is not given, it is inferred from the stores.

mod check;
mod quarantine;
mod read;
mod resolve;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub(super) use check::{Observed, TruthCheck};
pub(super) use read::{Corrected, read};

use crate::reconcile::ingest_path::IngestPath;

/// Truth files of a history, and its ingest path.
#[derive(Debug, Clone, Default)]
pub struct TruthOptions {
    /// Truth files, of all parts. If empty, no truth is checked.
    pub files: Vec<PathBuf>,
    /// Ingest path of the history. If `None`, it is inferred from the stores.
    pub ingest_path: Option<IngestPath>,
}
