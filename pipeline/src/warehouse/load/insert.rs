//! Loads into a plain warehouse: inserts batches, and reads existing rows only if an id is taken.

use std::collections::HashMap;

use super::classified::Classified;
use super::classify::compare;
use super::engine::{BATCH_SIZES, run};
use super::result::{LoadResult, OnConflict};
use super::sink::{Fault, LookupOrder, Rows, Sink};
use crate::record::Record;
use crate::record::row::TableSchema;
use crate::warehouse::{Error, InsertResult, Reason, Warehouse};

/// Results of the records of a load: `None` for records that were not reached, an error for a row that failed alone.
pub type LoadResults = Vec<Option<Result<LoadResult, Error>>>;

/// Loads records and returns their results, in order.
///
/// Loading the same records again changes nothing. Of records with the same id, the first becomes the row or replaces
/// it. The others are compared with it.
///
/// # Errors
/// Returns an error if the server cannot be reached, rejects a statement, or fails at one of the rows. Other rows may
/// be stored, and loading again is safe.
pub async fn load(
    warehouse: &dyn Warehouse,
    records: &[Record],
    schema: &TableSchema,
    policy: OnConflict,
) -> Result<Vec<LoadResult>, Error> {
    let mut results = vec![None; records.len()];
    load_into(warehouse, records, schema, policy, &mut results).await?;
    let missed =
        || Err(Error::new(Reason::Other, warehouse.address(), "a load returned no result for one of its rows"));
    results.into_iter().map(|one| one.unwrap_or_else(missed)).collect()
}

/// Loads records and stores each result in `results` as soon as it is known, also for a caller that cancels the load.
///
/// # Errors
/// Returns an error if the server cannot be reached or rejects a statement. Records without a result may be loaded
/// again.
pub async fn load_into(
    warehouse: &dyn Warehouse,
    records: &[Record],
    schema: &TableSchema,
    policy: OnConflict,
    results: &mut LoadResults,
) -> Result<(), Error> {
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(records.len());
    let (mut firsts, mut repeats) = (Vec::with_capacity(records.len()), Vec::new());
    for (at, record) in records.iter().enumerate() {
        let is_first = *first.entry(&record.id_treated_data).or_insert(at) == at;
        if is_first { &mut firsts } else { &mut repeats }.push(Numbered { at, record });
    }
    let mut sink = Inserting { warehouse, schema, policy, results };
    run(firsts, &mut sink).await?;
    for chunk in repeats.chunks(BATCH_SIZES[0]) {
        let rows = sink.existing(chunk).await?;
        for &Numbered { at, record } in chunk {
            let id = record.id_treated_data.as_str();
            sink.results[at] = match rows.get(id) {
                Some(row) => Some(Ok(compare(record, row, schema))),
                // The first record of its id failed, so this one fails in the same way.
                None => sink.results[first[id]].clone(),
            };
        }
    }
    Ok(())
}

/// Record with its index.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    at: usize,
    record: &'a Record,
}

impl AsRef<Record> for Numbered<'_> {
    fn as_ref(&self) -> &Record {
        self.record
    }
}

/// Sink of a plain warehouse.
struct Inserting<'a> {
    warehouse: &'a dyn Warehouse,
    schema: &'a TableSchema,
    policy: OnConflict,
    results: &'a mut LoadResults,
}

impl<'a> Sink for Inserting<'a> {
    type Entry = Numbered<'a>;
    type Error = Error;

    fn lookup_order(&self) -> LookupOrder {
        LookupOrder::WhenTaken
    }

    fn schema(&self) -> &TableSchema {
        self.schema
    }

    fn may_overwrite(&self, _: &Self::Entry) -> bool {
        self.policy == OnConflict::Overwrite
    }

    fn fault(&self, e: &Error) -> Fault {
        e.into()
    }

    async fn existing(&mut self, part: &[Self::Entry]) -> Result<Rows, Error> {
        let ids: Vec<String> = part.iter().map(|entry| entry.record.id_treated_data.clone()).collect();
        let rows = self.warehouse.fetch(&ids, self.schema).await?;
        Ok(rows.into_iter().map(|row| (row.id().to_owned(), row)).collect())
    }

    /// Inserts rows in one statement. Rows are replaced one by one, each guarded by its previous values: a part with
    /// replacements inserts nothing.
    async fn apply(&mut self, part: &[Self::Entry], classified: Classified) -> Result<InsertResult, Error> {
        let Classified { results, insert, replace, .. } = classified;
        if !insert.is_empty() && self.warehouse.insert(&insert, self.schema).await? == InsertResult::IdTaken {
            return Ok(InsertResult::IdTaken);
        }
        let mut replace = replace.iter();
        for (entry, result) in part.iter().zip(results) {
            let loaded = match result.unwrap_or(LoadResult::Inserted) {
                LoadResult::Overwritten(conflict) => {
                    let is_replaced = match replace.next() {
                        Some((old, new)) => self.warehouse.replace(old, new, self.schema).await?,
                        None => false,
                    };
                    if is_replaced { LoadResult::Overwritten(conflict) } else { LoadResult::Conflicting(conflict) }
                }
                loaded => loaded,
            };
            self.results[entry.at] = Some(Ok(loaded));
        }
        Ok(InsertResult::Inserted)
    }

    fn fail(&mut self, entry: &Self::Entry, e: Error) -> Result<(), Error> {
        self.results[entry.at] = Some(Err(e));
        Ok(())
    }
}
