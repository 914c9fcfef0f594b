//! The rows that are there: by the range of ids where most of it is the part's own, else one by one.

use std::collections::HashMap;

use super::loader::Loader;
use crate::replay::order::ReplayEntry;
use pipeline::record::row::Row;
use pipeline::warehouse;

/// Rows of a range that are read although the part has no record for them, as a multiple of the part.
const FOREIGN_ROWS: u64 = 4;

impl Loader {
    /// The rows that are there under the ids of these records, and perhaps others of their range.
    pub(super) async fn existing(&self, part: &[ReplayEntry]) -> Result<HashMap<String, Row>, warehouse::Error> {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { return Ok(HashMap::new()) };
        let rows = if first.id.is_other() || last.id.is_other() {
            self.by_ids(part).await?
        } else {
            let (first, last) = (&first.record.id_treated_data, &last.record.id_treated_data);
            let found = self.bulk.count(first, last).await?;
            if found == 0 {
                return Ok(HashMap::new());
            }
            let max = u32::try_from(found + found / 8 + 100).unwrap_or(u32::MAX);
            if found > FOREIGN_ROWS * part.len() as u64 + 100 {
                self.by_ids(part).await?
            } else {
                let rows = self.bulk.range(first, last, max, &self.schema).await?;
                if rows.len() < max as usize { rows } else { self.by_ids(part).await? }
            }
        };
        Ok(rows.into_iter().map(|row| (row.id().to_owned(), row)).collect())
    }

    async fn by_ids(&self, part: &[ReplayEntry]) -> Result<Vec<Row>, warehouse::Error> {
        let ids: Vec<String> = part.iter().map(|entry| entry.record.id_treated_data.clone()).collect();
        self.bulk.fetch(&ids, &self.schema).await
    }
}
