//! What a batch needs on its way, and what it comes to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use uuid::Uuid;

use crate::replay::journal::Journal;
use crate::replay::order::{IdOrder, ReplayEntry};
use crate::replay::policy::Policy;
use crate::replay::tally::Tally;
use crate::replay::throttle::Throttle;
use crate::undo::UndoFile;
use pipeline::lake::Partition;
use pipeline::record::row::TableSchema;
use pipeline::warehouse::{BulkWarehouse, ColumnLimits, JournalEntry};

/// What a batch needs on its way.
#[derive(Debug)]
pub(in crate::replay) struct Loader {
    pub bulk: Arc<dyn BulkWarehouse>,
    pub schema: TableSchema,
    /// What the columns refuse.
    pub limits: ColumnLimits,
    pub policy: Policy,
    pub verify: bool,
    pub undo_file: Option<UndoFile>,
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
pub(in crate::replay) struct Batch {
    pub order: IdOrder,
    pub entries: Vec<ReplayEntry>,
    pub pending: PendingJournal,
}

/// What is to be done to the journal with the next change.
#[derive(Debug, Default)]
pub(in crate::replay) struct PendingJournal {
    /// Entries to write.
    pub writes: Vec<JournalEntry>,
    /// Entries that no longer hold.
    pub deletes: Vec<(Uuid, u64)>,
}

impl PendingJournal {
    pub(in crate::replay) fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
        self.deletes.append(&mut other.deletes);
    }
}

/// What a batch came to.
#[derive(Debug, Default)]
pub(in crate::replay) struct LoadedBatch {
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
