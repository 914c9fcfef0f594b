//! A batch of records into the warehouse, each part of it in one transaction with the journal's entries about it.
//!
//! [`engine`] loads a part over a small sink: look what is there, [`classify`], apply, and split what is refused. Around it
//! are the journal's entries ([`entries`]), reading back ([`verify`]), and waiting for a server ([`wait`]).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use uuid::Uuid;

use super::Policy;
use super::journal::Journal;
use super::order::{IdOrder, ReplayEntry};
use super::tally::Tally;
use super::throttle::Throttle;
use crate::undo::Undo;
use pipeline::lake::Partition;
use pipeline::record::stored::Shape;
use pipeline::warehouse::{self, Bulk, Limits, Note};

mod classify;
mod engine;
mod entries;
mod existing;
mod sink;
mod verify;
mod wait;

use classify::Classifier;
use engine::Part;
use sink::BatchSink;

/// How long the pieces of a batch go on before the throttle is asked again.
const LOOK: Duration = Duration::from_secs(1);

/// What a batch needs on its way.
#[derive(Debug)]
pub(super) struct Loader {
    pub bulk: Arc<dyn Bulk>,
    pub shape: Shape,
    /// What the columns refuse.
    pub limits: Limits,
    pub policy: Policy,
    pub verify: bool,
    pub undo: Option<Undo>,
    pub journal: Option<Journal>,
    pub throttle: Arc<Throttle>,
    /// How long a server that is gone is waited for.
    pub unavailable_timeout: Duration,
    /// The partitions to be read, by their numbers.
    pub places: Arc<Vec<Partition>>,
    /// The days of the plan, with those that an earlier session has settled.
    pub days: BTreeSet<NaiveDate>,
}

/// Records in the order of ids, and what of the journal is pending with them.
#[derive(Debug)]
pub(super) struct Batch {
    pub order: IdOrder,
    pub entries: Vec<ReplayEntry>,
    pub pending: PendingJournal,
}

/// What is to be done to the journal with the next change.
#[derive(Debug, Default)]
pub(super) struct PendingJournal {
    /// Entries to write.
    pub writes: Vec<Note>,
    /// Entries that no longer hold.
    pub deletes: Vec<(Uuid, u64)>,
}

impl PendingJournal {
    pub(super) fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
        self.deletes.append(&mut other.deletes);
    }
}

/// What a batch came to.
#[derive(Debug, Default)]
pub(super) struct LoadedBatch {
    pub tally: Tally,
    /// The numbers of its entries, with the days of whose rows they speak.
    pub seqs: Vec<(NaiveDate, u64)>,
    /// Its records by partition.
    pub places: HashMap<u32, u64>,
    /// What is pending for a later batch: entries that say more than those that are written, and what did not come to pass.
    pub pending: PendingJournal,
    pub transactions: u64,
    pub elapsed: Duration,
}

/// Why a batch is not in; what of it is in already is in [`LoadedBatch`].
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Warehouse(#[from] warehouse::Error),
    #[error("the undo file cannot be written, and nothing is overwritten without it: {0}")]
    Undo(io::Error),
    /// A row holds other values, and the policy is to stop there.
    #[error("a conflict was found, and --on-conflict is fail")]
    Conflict,
    /// Somebody wishes to stop while the batch waits.
    #[error("asked to stop")]
    Stopped,
}

impl Loader {
    /// Loads a batch; it may come apart into several transactions where rows are refused.
    pub(super) async fn load(&self, batch: Batch, loaded: &mut LoadedBatch) -> Result<(), LoadError> {
        let Batch { order, entries, pending } = batch;
        let mut sink = BatchSink::new(self, order, pending, loaded);
        let ended = self.load_parts(entries, &mut sink).await;
        sink.end();
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
            if let Part::Split(first, second) = ended? {
                work.push(second);
                work.push(first);
            }
        }
        Ok(())
    }
}
