//! The truth check: which records both stores and the quarantine must have, and which they must not.
//!
//! | fate | through `publish` | through `publish --send-invalid` | through `backfill` |
//! | --- | --- | --- | --- |
//! | stored | in both stores | the same | the same |
//! | quarantined | nowhere: it is not sent | in the quarantine | in the quarantine |
//! | refused | in no store | the same | in both stores: files have no such limit |
//! | never | in no store | the same | the same |
//!
//! Ids and hashes are sorted on disk like the lake's and go through the same merge, so only one batch of them is in memory. If
//! the ingest path ([`IngestPath`]) is not given, it is inferred from the stores.

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

/// The truth files of a history, and how it came in.
#[derive(Debug, Clone, Default)]
pub struct TruthOptions {
    /// The files: of several parts, all of them. None: no truth is asked for.
    pub files: Vec<PathBuf>,
    /// How the history came in; told by what is there where it is `None`.
    pub ingest_path: Option<IngestPath>,
}
