//! Reads existing rows: by id range if most of its rows belong to the part, otherwise by single ids.

use super::sink::Rows;
use crate::record::row::{Row, TableSchema};
use crate::record::{Record, RecordId};
use crate::warehouse::{BulkWarehouse, Error};

/// Maximum number of unrelated rows to read in a range, as a multiple of the part's size.
const UNRELATED_ROWS: u64 = 4;

/// Returns the existing rows with the ids of these records, which must be sorted by id. The result may include other
/// rows in their range.
///
/// # Errors
/// Returns an error if the server cannot be reached or rejects the query.
pub async fn existing_rows(
    bulk: &dyn BulkWarehouse,
    part: &[impl AsRef<Record> + Sync],
    schema: &TableSchema,
) -> Result<Rows, Error> {
    let rows = match range(part) {
        None => by_ids(bulk, part, schema).await?,
        Some((first, last)) => {
            let found = bulk.count(first, last).await?;
            if found == 0 {
                return Ok(Rows::new());
            }
            let limit = u32::try_from(found + found / 8 + 100).unwrap_or(u32::MAX);
            if found > UNRELATED_ROWS * part.len() as u64 + 100 {
                by_ids(bulk, part, schema).await?
            } else {
                let rows = bulk.range(first, last, limit, schema).await?;
                // A full result may be incomplete, because more rows were written in the meantime.
                if rows.len() < limit as usize { rows } else { by_ids(bulk, part, schema).await? }
            }
        }
    };
    Ok(rows.into_iter().map(|row| (row.id().to_owned(), row)).collect())
}

/// Returns the first and the last id. `None` if the server may sort them differently, or if there are fewer than two.
fn range<R: AsRef<Record>>(part: &[R]) -> Option<(&str, &str)> {
    let [first, .., last] = part else { return None };
    let [first, last] = [first, last].map(|record| record.as_ref().id_treated_data.as_str());
    let is_canonical = |id: &str| !RecordId::new(id).is_other();
    (is_canonical(first) && is_canonical(last)).then_some((first, last))
}

async fn by_ids(
    bulk: &dyn BulkWarehouse,
    part: &[impl AsRef<Record>],
    schema: &TableSchema,
) -> Result<Vec<Row>, Error> {
    let ids: Vec<String> = part.iter().map(|record| record.as_ref().id_treated_data.clone()).collect();
    bulk.fetch(&ids, schema).await
}
