//! [`Snapshot`] in memory: a copy of the table.

use std::ops::Bound;

use futures::stream::{self, StreamExt};

use super::{Memory, Table};
use crate::record::row::Row;
use crate::warehouse::{Error, IdRange, Pages, Snapshot, TimeWindow};

struct Copied(Table);

impl Memory {
    pub(super) fn reading(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.with_rows(|table| Ok(Box::new(Copied(table.clone())) as Box<dyn Snapshot>))
    }
}

impl Snapshot for Copied {
    fn scan(&mut self, ids: IdRange, limit: u32, page: usize, windows: &[TimeWindow]) -> Pages<'_> {
        if ids.after.is_some() && ids.until.is_some() && ids.after >= ids.until {
            return stream::empty().boxed(); // an empty range, which a map does not accept
        }
        let after = ids.after.map_or(Bound::Unbounded, Bound::Excluded);
        let until = ids.until.map_or(Bound::Unbounded, Bound::Included);
        let has = |row: &Row, window: &TimeWindow| row.instant(window.column).is_some_and(|at| window.has(at));
        let inside = |row: &&Row| windows.is_empty() || windows.iter().any(|window| has(row, window));
        let rows = self.0.range((after, until)).map(|(_, row)| row).filter(inside);
        let rows: Vec<Row> = rows.take(limit as usize).cloned().collect();
        stream::iter(rows).chunks(page).map(Ok).boxed()
    }
}
