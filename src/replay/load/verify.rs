//! Reads rows back once they are in, and compares them.

use super::classify::Classified;
use super::loader::Loader;
use crate::replay::journal::BatchEntry;
use crate::replay::load_error::LoadError;
use crate::replay::order::ReplayEntry;
use crate::replay::outcome::Counter;
use crate::replay::tally::Tally;
use pipeline::record::row::Row;
use pipeline::warehouse::LoadResult;

impl Loader {
    /// Reads the rows of a part again and counts them in its entries; a record whose row was kept as it is is no part of
    /// this. The entries are those of the part, day by day.
    pub(super) async fn verify_rows(
        &self,
        part: &[ReplayEntry],
        classified: &Classified,
        entries: &mut [BatchEntry],
    ) -> Result<(), LoadError> {
        let rows = self.retry_while_unavailable(|| self.existing(part)).await?;
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
            Some(_) => "read back with other values: somebody else writes",
            None => "not there when read back: somebody else deletes",
        };
        tally.counts[Counter::Unverified] += 1;
        tally.problems.add("unverified", entry.key.as_str(), wrong);
    }
}
