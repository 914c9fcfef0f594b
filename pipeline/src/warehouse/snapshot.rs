//! Snapshot of a table at one point in time, which does not include later writes.

use chrono::NaiveDateTime;
use futures::stream::BoxStream;

use super::Error;
use crate::record::Column;
use crate::record::row::Row;

/// Rows whose time in one column is in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWindow {
    /// [`Column::Data`] or [`Column::RowTs`].
    pub column: Column,
    /// Start of the window, inclusive. `None` for no limit.
    pub from: Option<NaiveDateTime>,
    /// End of the window, exclusive. `None` for no limit.
    pub until: Option<NaiveDateTime>,
}

impl TimeWindow {
    /// Returns true if a time is in the window.
    pub fn has(&self, at: NaiveDateTime) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// Range of ids in the server's order; without limits, all ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdRange {
    /// Start of the range, exclusive. `None` for no limit.
    pub after: Option<String>,
    /// End of the range, inclusive. `None` for no limit.
    pub until: Option<String>,
}

impl IdRange {
    /// Returns the ids of this range after another id.
    #[must_use]
    pub fn after(&self, id: Option<String>) -> Self {
        Self { after: id.or_else(|| self.after.clone()), until: self.until.clone() }
    }
}

/// Returns the SQL condition for rows in any of the windows and in a range of ids, with `?` for the times and then the
/// limits of the range. The condition is empty if there are no limits.
pub(super) fn filter(windows: &[TimeWindow], ids: &IdRange) -> (String, Vec<NaiveDateTime>) {
    let mut times = Vec::new();
    let mut edge = |column, sign, at: Option<NaiveDateTime>| {
        times.push(at?);
        Some(format!(" AND {column} {sign} ?"))
    };
    let any: Vec<String> = windows
        .iter()
        .map(|window| {
            let from = edge(window.column, ">=", window.from).unwrap_or_default();
            let until = edge(window.column, "<", window.until).unwrap_or_default();
            format!("({} IS NOT NULL{from}{until})", window.column)
        })
        .collect();
    let window = (!any.is_empty()).then(|| format!("({})", any.join(" OR ")));
    let after = ids.after.as_ref().map(|_| "id_treated_data > ?".to_owned());
    let until = ids.until.as_ref().map(|_| "id_treated_data <= ?".to_owned());
    let conditions: Vec<String> = window.into_iter().chain(after).chain(until).collect();
    (if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) }, times)
}

/// Stream of pages of rows in the server's order of ids.
pub type Pages<'a> = BoxStream<'a, Result<Vec<Row>, Error>>;

/// Snapshot of a table; it ends with its connection.
pub trait Snapshot: Send {
    /// Reads at most `limit` rows with ids in the range and in any of the windows, in pages of at most `page` rows.
    /// Without windows, it reads all rows of the range.
    ///
    /// An error is the last item. If the connection is lost, the snapshot is lost too, and another one shows a later
    /// point in time.
    fn scan(&mut self, ids: IdRange, limit: u32, page: usize, windows: &[TimeWindow]) -> Pages<'_>;
}
