//! A table as it is at one moment: what is written meanwhile does not show.

use chrono::NaiveDateTime;
use futures::stream::BoxStream;

use super::Error;
use crate::record::Column;
use crate::record::row::Row;

/// Rows whose time in one column lies in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWindow {
    /// [`Column::Data`] or [`Column::RowTs`].
    pub column: Column,
    /// The first instant inside; `None` for no limit.
    pub from: Option<NaiveDateTime>,
    /// The first instant past the end; `None` for no limit.
    pub until: Option<NaiveDateTime>,
}

impl TimeWindow {
    /// Whether a time lies in the window.
    pub fn has(&self, at: NaiveDateTime) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// What SQL asks of a row that is to lie in a window and come after an id, with `?` for the times and then the id; empty
/// where that is nothing.
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

/// Pages of rows in the server's order of ids, as they come.
pub type Pages<'a> = BoxStream<'a, Result<Vec<Row>, Error>>;

/// A reading of a table as it was when the reading began; it ends with its session.
pub trait Snapshot: Send {
    /// At most `limit` rows with ids after `after` that lie in any of the windows, in pages of at most `page`; all rows
    /// where there are no windows.
    ///
    /// A page that is an error is the last: the session is lost, and the reading with it, so that another shows a later
    /// moment; or the server refuses.
    fn scan(&mut self, after: Option<String>, limit: u32, page: usize, windows: &[TimeWindow]) -> Pages<'_>;
}
