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

/// Returns the SQL condition for rows in any of the windows and after an id, with `?` for the times and then the id.
/// The condition is empty if there are no limits.
pub(super) fn filter(windows: &[TimeWindow], after: bool) -> (String, Vec<NaiveDateTime>) {
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
    let after = after.then(|| "id_treated_data > ?".to_owned());
    let conditions: Vec<String> = window.into_iter().chain(after).collect();
    (if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) }, times)
}

/// Stream of pages of rows in the server's order of ids.
pub type Pages<'a> = BoxStream<'a, Result<Vec<Row>, Error>>;

/// Snapshot of a table; it ends with its connection.
pub trait Snapshot: Send {
    /// Reads at most `limit` rows with ids after `after` in any of the windows, in pages of at most `page` rows.
    /// Without windows, it reads all rows.
    ///
    /// An error is the last item. If the connection is lost, the snapshot is lost too, and another one shows a later
    /// point in time.
    fn scan(&mut self, after: Option<String>, limit: u32, page: usize, windows: &[TimeWindow]) -> Pages<'_>;
}
