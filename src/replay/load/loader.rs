//! Input and result of loading a batch.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use uuid::Uuid;

use crate::replay::journal_entries::Journal;
use crate::replay::order::{IdOrder, ReplayEntry};
use crate::replay::policy::Policy;
use crate::replay::tally::Tally;
use crate::replay::throttle::Throttle;
use crate::undo::UndoFile;
use pipeline::lake::Partition;
use pipeline::record::row::TableSchema;
use pipeline::warehouse::{BulkWarehouse, ColumnLimits, JournalEntry};

/// Shared state for loading batches.
#[derive(Debug)]
pub(in crate::replay) struct Loader {
    pub bulk: Arc<dyn BulkWarehouse>,
    pub schema: TableSchema,
    /// Limits of the columns.
    pub limits: ColumnLimits,
    pub policy: Policy,
    pub verify: bool,
    pub undo_file: Option<UndoFile>,
    pub journal: Option<Journal>,
    pub throttle: Arc<Throttle>,
    /// How long to wait for an unavailable server.
    pub unavailable_timeout: Duration,
    /// Partitions to read, indexed by number.
    pub places: Arc<Vec<Partition>>,
    /// Days of the plan, including those that an earlier session completed.
    pub days: BTreeSet<NaiveDate>,
}

/// Records in id order, with the journal changes to write with them.
#[derive(Debug)]
pub(in crate::replay) struct Batch {
    pub order: IdOrder,
    pub entries: Vec<ReplayEntry>,
    pub pending: PendingJournal,
}

/// Journal changes to write with the next transaction.
#[derive(Debug, Default)]
pub(in crate::replay) struct PendingJournal {
    /// Entries to write.
    pub writes: Vec<JournalEntry>,
    /// Entries that are no longer valid.
    pub deletes: Vec<(Uuid, u64)>,
}

impl PendingJournal {
    pub(in crate::replay) fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
        self.deletes.append(&mut other.deletes);
    }
}

/// Result of a batch.
#[derive(Debug, Default)]
pub(in crate::replay) struct LoadedBatch {
    pub tally: Tally,
    /// Numbers of its entries, with the days of their rows.
    pub seqs: Vec<(NaiveDate, u64)>,
    /// Number of its records per partition.
    pub places: HashMap<u32, u64>,
    /// Journal changes for a later batch: deferred entries, and changes that were not written.
    pub pending: PendingJournal,
    pub transactions: u64,
    pub elapsed: Duration,
}
