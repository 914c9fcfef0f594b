//! The one way by which records become rows: insert what is new, and say of the rest, exactly, what is there.
//!
//! Inserts are plain and all-or-nothing: no `IGNORE`, which would turn bad values into warnings. Only when a batch
//! meets a taken id are its rows read back and compared.

use std::collections::{HashMap, VecDeque};

use super::{Error, InsertResult, Reason, Warehouse};
use crate::record::Record;
use crate::record::row::{Difference, Row, TableSchema};

/// Rows a statement: fixed sizes, because each size is a statement that the server prepares once.
const BATCH_SIZES: [usize; 4] = [1_000, 100, 10, 1];

/// How often a single row that somebody else has locked is tried again.
const LOCKED: u32 = 4;

/// So many rows in a row that fail for an unknown reason fail for the same one: the load ends.
const STRANGE: usize = 20;

/// What to do where a row with the same id holds other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The row stays; the conflict is reported with both values.
    #[default]
    Keep,
    /// The record's values replace the row's, guarded by the old ones.
    Overwrite,
}

/// A row that holds other values than the record of its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The fields that differ, with both values.
    pub differences: Vec<Difference>,
    /// The row as it was found.
    pub row: Row,
}

impl Conflict {
    /// The names of the fields that differ, for a sentence.
    pub fn fields(&self) -> String {
        self.differences.iter().map(|difference| difference.column.name()).collect::<Vec<_>>().join(", ")
    }
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadResult {
    /// A new row.
    Inserted,
    /// A row with the same values was there.
    Identical,
    /// A row with other values was there, and stays.
    Conflicting(Box<Conflict>),
    /// A row with other values was there, and now holds the record's.
    Overwritten(Box<Conflict>),
    /// A column refuses one of its values.
    Refused(String),
}

/// What became of the records of a load: `None` for those it has not come to, the error of a row that is at fault alone.
pub type LoadResults = Vec<Option<Result<LoadResult, Error>>>;

/// Loads records and says of each, in their order, what became of it.
///
/// Loading the same records again changes nothing. Records that share an id are loaded once: the first becomes the
/// row, the others are compared with it.
///
/// # Errors
/// The server cannot be reached or refuses, or fails at one of the rows; the others may be in, and loading again is safe.
pub async fn load(
    warehouse: &dyn Warehouse,
    records: &[Record],
    schema: &TableSchema,
    policy: OnConflict,
) -> Result<Vec<LoadResult>, Error> {
    let mut settled = vec![None; records.len()];
    load_into(warehouse, records, shape, policy, &mut settled).await?;
    let missed =
        || Err(Error::new(Reason::Other, warehouse.address(), "a load ended without a word on one of its rows"));
    settled.into_iter().map(|one| one.unwrap_or_else(missed)).collect()
}

/// The same, where what became of each record is known as soon as it is, also to whoever ends the load in the middle.
///
/// # Errors
/// The server cannot be reached or refuses; what is not settled then may be loaded again.
pub async fn load_into(
    warehouse: &dyn Warehouse,
    records: &[Record],
    schema: &TableSchema,
    policy: OnConflict,
    settled: &mut LoadResults,
) -> Result<(), Error> {
    let mut load = Loader { warehouse, records, schema: shape, policy, results: settled, unknown_failures: 0 };
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(records.len());
    let mut repeats = Vec::new();
    let mut firsts = Vec::with_capacity(records.len());
    for (at, record) in records.iter().enumerate() {
        match first.get(record.id_treated_data.as_str()) {
            Some(_) => repeats.push(at),
            None => {
                first.insert(&record.id_treated_data, at);
                firsts.push(at);
            }
        }
    }
    load.insert_new(firsts).await?;
    for chunk in repeats.chunks(BATCH_SIZES[0]) {
        for at in load.compare(chunk).await? {
            // Its twin found no way in, and neither does this one.
            load.results[at] = load.results[first[records[at].id_treated_data.as_str()]].clone();
        }
    }
    Ok(())
}

struct Loader<'a> {
    warehouse: &'a dyn Warehouse,
    records: &'a [Record],
    schema: &'a TableSchema,
    policy: OnConflict,
    results: &'a mut LoadResults,
    /// Rows one after the other that failed for a reason that is not known to be a row's.
    unknown_failures: usize,
}

/// Rows to be inserted together, and how often that was tried.
struct Batch {
    rows: Vec<usize>,
    tries: u32,
}

impl Loader<'_> {
    /// Inserts in batches; one that meets taken ids, bad values or locks settles those and sends the rest again, in
    /// smaller ones.
    async fn insert_new(&mut self, records: Vec<usize>) -> Result<(), Error> {
        let mut queue = VecDeque::new();
        in_batches(&records, BATCH_SIZES[0], |rows| queue.push_back(Batch { rows, tries: 0 }));
        while let Some(Batch { rows: batch, tries }) = queue.pop_front() {
            let rows: Vec<Row> = batch.iter().map(|&at| self.records[at].to_row(self.schema)).collect();
            match self.warehouse.insert(&rows, self.schema).await {
                Ok(InsertResult::Inserted) => self.record(&batch, &LoadResult::Inserted),
                Ok(InsertResult::IdTaken) => {
                    let left = self.compare(&batch).await?;
                    match left.as_slice() {
                        &[at] if batch.len() == 1 => self.results[at] = Some(Ok(self.resolve_folded_id(at).await?)),
                        left => {
                            let max = if left.len() == batch.len() { batch.len() / 10 } else { BATCH_SIZES[0] };
                            in_batches(left, max, |rows| queue.push_front(Batch { rows, tries }));
                        }
                    }
                }
                Err(e) if e.reason == Reason::BadRow && batch.len() == 1 => {
                    self.record(&batch, &LoadResult::Refused(e.message))
                }
                Err(e) if matches!(e.reason, Reason::BadRow | Reason::Other) && batch.len() > 1 => {
                    in_batches(&batch, batch.len() / 10, |rows| queue.push_front(Batch { rows, tries }))
                }
                // What is not locked goes first.
                Err(e) if e.reason == Reason::Locked && (batch.len() > 1 || tries < LOCKED) => {
                    in_batches(&batch, batch.len() / 10, |rows| queue.push_back(Batch { rows, tries: tries + 1 }))
                }
                Err(e) if matches!(e.reason, Reason::Locked | Reason::Other) => self.fail(batch[0], e)?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Notes that one row fails by itself; too many of them are no longer the rows' fault.
    fn fail(&mut self, at: usize, e: Error) -> Result<(), Error> {
        if e.reason == Reason::Other {
            self.unknown_failures += 1;
            if self.unknown_failures >= STRANGE {
                return Err(e);
            }
        }
        self.results[at] = Some(Err(e));
        Ok(())
    }

    /// The server folds case or trailing space of ids, and finds this one under another spelling.
    async fn resolve_folded_id(&self, at: usize) -> Result<LoadResult, Error> {
        let id = self.records[at].id_treated_data.clone();
        match self.warehouse.fetch(&[id], self.schema).await?.into_iter().next() {
            Some(row) => self.compare_row(at, row).await,
            None => {
                Ok(LoadResult::Refused(
                    "a row with these values in a unique key is there, but none with this id: has the table another unique \
                     index, or was the row deleted meanwhile?"
                        .into(),
                ))
            }
        }
    }

    /// Judges the records whose rows are there under their exact ids; returns the others.
    async fn compare(&mut self, pending: &[usize]) -> Result<Vec<usize>, Error> {
        let ids: Vec<String> = pending.iter().map(|&at| self.records[at].id_treated_data.clone()).collect();
        let rows = self.warehouse.fetch(&ids, self.schema).await?;
        let rows: HashMap<String, Row> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        let mut left = Vec::new();
        for &at in pending {
            match rows.get(&self.records[at].id_treated_data) {
                Some(row) => self.results[at] = Some(Ok(self.compare_row(at, row.clone()).await?)),
                None => left.push(at),
            }
        }
        Ok(left)
    }

    async fn compare_row(&self, at: usize, row: Row) -> Result<LoadResult, Error> {
        let record = &self.records[at];
        let differences = record.differences(&row, self.schema);
        if differences.is_empty() {
            return Ok(LoadResult::Identical);
        }
        let conflict = Box::new(Conflict { differences, row });
        if self.policy == OnConflict::Overwrite
            && self.warehouse.replace(&conflict.row, &record.to_row(self.schema), self.schema).await?
        {
            return Ok(LoadResult::Overwritten(conflict));
        }
        Ok(LoadResult::Conflicting(conflict))
    }

    fn record(&mut self, batch: &[usize], loaded: &LoadResult) {
        self.unknown_failures = 0;
        for &at in batch {
            self.results[at] = Some(Ok(loaded.clone()));
        }
    }
}

/// Cuts records into batches of the fixed sizes, none larger than `most`.
fn in_batches(records: &[usize], max: usize, mut take: impl FnMut(Vec<usize>)) {
    let mut rest = records;
    while !rest.is_empty() {
        let size = BATCH_SIZES.into_iter().find(|&size| size <= rest.len() && size <= max.max(1)).unwrap_or(1);
        let (batch, later) = rest.split_at(size);
        take(batch.to_vec());
        rest = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_fixed_sizes_and_lose_nothing() {
        let records: Vec<usize> = (0..2_345).collect();
        for max in [1_000, 100, 10, 1, 0] {
            let mut batches = Vec::new();
            in_batches(&records, max, |batch| batches.push(batch));
            assert!(batches.iter().all(|batch| BATCH_SIZES.contains(&batch.len()) && batch.len() <= max.max(1)));
            assert_eq!(batches.concat(), records);
        }
    }
}
