//! Reads loaded rows back, and compares them.

use super::loader::Loader;
use crate::replay::journal_entries::BatchEntry;
use crate::replay::load_error::LoadError;
use crate::replay::order::ReplayEntry;
use crate::replay::outcome::Counter;
use crate::replay::tally::Tally;
use pipeline::record::row::Row;
use pipeline::warehouse::LoadResult;
use pipeline::warehouse::load::{Classified, Rows, existing_rows};

impl Loader {
    /// Returns the existing rows with the ids of these records; other rows in their range may be included.
    pub(super) async fn existing(&self, part: &[ReplayEntry]) -> Result<Rows, LoadError> {
        self.retry_while_unavailable(|| existing_rows(&*self.bulk, part, &self.schema)).await
    }

    /// Reads the rows of a part again and counts them in its entries. Records whose row was kept are not compared. The
    /// entries are those of the part, one per day.
    pub(super) async fn verify_rows(
        &self,
        part: &[ReplayEntry],
        classified: &Classified,
        entries: &mut [BatchEntry],
    ) -> Result<(), LoadError> {
        let rows = self.existing(part).await?;
        let order = entries.first().map(|entry| entry.order);
        let days = order.map(|order| self.by_day(order, part)).unwrap_or_default();
        for (written, range) in entries.iter_mut().zip(days) {
            for (entry, result) in part[range.clone()].iter().zip(&classified.results[range]) {
                if !matches!(result, Some(LoadResult::Conflicting(_) | LoadResult::Refused(_))) {
                    self.verify_row(entry, rows.get(&entry.record.id_treated_data), &mut written.tally);
                }
            }
        }
        Ok(())
    }

    fn verify_row(&self, entry: &ReplayEntry, row: Option<&Row>, tally: &mut Tally) {
        let wrong = match row {
            Some(row) if entry.record.differences(row, &self.schema).is_empty() => {
                tally.counts[Counter::Verified] += 1;
                return;
            }
            Some(_) => "verification failed: another process is writing",
            None => "verification failed: another process deletes rows",
        };
        tally.counts[Counter::Mismatched] += 1;
        tally.problems.add("mismatched", entry.key.as_str(), wrong);
    }
}
