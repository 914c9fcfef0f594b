//! The truth of a history held against both stores: what must be there, what must not, and what the quarantine must have.
//!
//! | fate | through `publish` | through `publish --send-invalid` | through `backfill` |
//! | --- | --- | --- | --- |
//! | stored | in both stores | the same | the same |
//! | quarantined | nowhere: it is withheld | in the quarantine | in the quarantine |
//! | refused | in no store | the same | in both stores: files know no such limit |
//! | never | in no store | the same | the same |
//!
//! Ids and hashes are sorted on disk as the lake's are, and go through the same merge; no more than a batch of them is in
//! memory. Where nobody says which [`IngestPath`] it was, what is there tells it.

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
