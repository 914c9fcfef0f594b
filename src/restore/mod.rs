//! Restore of objects from parts, byte for byte.
//!
//! This module owns the selection of rows and the accounting; [`crate::parts`] owns the verification of parts. An
//! object is written with `If-None-Match: *`, so an existing one is never replaced: it is compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::parts::Month;
use crate::reader::RecordSelection;
use pipeline::lake::Lake;
use pipeline::record::Slug;

mod outcome;
mod run;
mod target;

pub use outcome::{Counter, Outcome};
pub use run::run;

/// A restore.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The lake whose parts are read.
    pub lake: Arc<dyn Lake>,
    /// The lake that the objects are written into.
    pub to: Arc<dyn Lake>,
    /// Farm folders; empty for every farm.
    pub farms: BTreeSet<Slug>,
    /// Months; empty for every month.
    pub months: BTreeSet<Month>,
    /// If set, only these objects.
    pub only: Option<RecordSelection>,
    /// Number of concurrent writes.
    pub writes: usize,
    /// If true, nothing is written.
    pub dry_run: bool,
}
