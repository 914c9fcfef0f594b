//! Decoded windows of a part: as many rows as a page has, kept while the days that share them are read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::ParquetError;

use super::columns::{PartColumn, Rows};
use super::content::Content;
use super::cursor::{OpenWindow, Wanted};
use super::distrust::Distrust;
use super::known::{KnownObjects, ObjectVersion};
use super::layout::PAGE_ROWS;
use super::part::Part;
use super::rows::PartRow;
use crate::parquet::ColumnCursor;

/// Position of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WindowKey {
    part: u64,
    group: usize,
    window: usize,
    wanted: Wanted,
}

/// The most recently decoded windows of all parts.
#[derive(Default)]
pub(crate) struct WindowCache(Mutex<VecDeque<(WindowKey, Arc<Rows>)>>);

impl std::fmt::Debug for WindowCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WindowCache").finish_non_exhaustive()
    }
}

impl WindowCache {
    /// Maximum number of windows, which determines the memory for reading parts. A window has about 0.6 MB.
    const MAX: usize = 64;

    fn get(&self, key: WindowKey) -> Option<Arc<Rows>> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = windows.iter().rposition(|(known, _)| *known == key)?;
        let found = windows.remove(at)?;
        let rows = Arc::clone(&found.1);
        windows.push_back(found);
        Some(rows)
    }

    fn put(&self, key: WindowKey, rows: Arc<Rows>) {
        if key.wanted == Wanted::Everything {
            return; // not kept: bodies have any size, and are read once
        }
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= Self::MAX {
            windows.pop_front();
        }
        windows.push_back((key, rows));
    }
}

impl Part {
    /// Decodes a window of a row group that was loaded.
    fn decode(&self, group: usize, window: usize, wanted: Wanted) -> Result<Rows, ParquetError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let columns: Vec<PartColumn> = match wanted {
            Wanted::Data => PartColumn::data().collect(),
            Wanted::Everything => PartColumn::all(),
        };
        let metadata = self.metadata.row_groups().get(group).ok_or_else(outside)?;
        let rows = usize::try_from(metadata.num_rows()).map_err(|e| ParquetError::External(e.into()))?;
        let first = window * PAGE_ROWS;
        let here = |at: &OpenWindow| at.group == group && at.wanted == wanted && at.next <= window;
        let mut at = match open.take().filter(here) {
            Some(at) => at,
            None => {
                let fields = columns.iter().enumerate().map(|(at, column)| (at, column.field()));
                let cursor = ColumnCursor::open(&Arc::new(self.spool.clone()), metadata, fields)?;
                OpenWindow { group, next: 0, wanted, cursor }
            }
        };
        at.cursor.skip((window - at.next) * PAGE_ROWS)?;
        let decoded = at.cursor.read(PAGE_ROWS.min(rows.checked_sub(first).ok_or_else(outside)?))?;
        at.next = window + 1;
        if at.next * PAGE_ROWS < rows {
            *open = Some(at);
        }
        Ok(Rows::new(decoded, &columns))
    }

    fn window(&self, cache: &WindowCache, key: WindowKey) -> Result<Arc<Rows>, ParquetError> {
        if let Some(rows) = cache.get(key) {
            return Ok(rows);
        }
        let rows = Arc::new(self.decode(key.group, key.window, key.wanted)?);
        cache.put(key, Arc::clone(&rows));
        Ok(rows)
    }

    /// Fetches, verifies and decodes all rows, with the original objects if it has them.
    ///
    /// # Errors
    /// Returns the reason if they cannot be trusted.
    pub async fn read_rows(self: &Arc<Self>) -> Result<Vec<PartRow>, Distrust> {
        let wanted = Wanted::Everything;
        self.load(self.all_rows(), wanted).await?;
        let rows = PartRows::new(Arc::clone(self), Arc::default(), self.all_rows(), wanted);
        let rows = CompleteRows(rows).collect();
        self.failure().map_or(Ok(rows), Err)
    }

    /// Returns the row group of a row, and the row's index in it; `None` after the last row.
    fn place(&self, row: u64) -> Option<(usize, usize)> {
        let mut first = 0;
        for (group, facts) in self.footer.groups.iter().enumerate() {
            if row < first + facts.rows {
                return usize::try_from(row - first).ok().map(|at| (group, at));
            }
            first += facts.rows;
        }
        None
    }
}

fn outside() -> ParquetError {
    ParquetError::General("a row outside of its row group".into())
}

/// Rows of a part in their order. They must be loaded; decoding blocks.
#[derive(Debug)]
pub(crate) struct PartRows {
    part: Arc<Part>,
    cache: Arc<WindowCache>,
    wanted: Wanted,
    at: u64,
    end: u64,
    /// The window of the current row, and the row's index in it.
    window: Option<(WindowRows, usize)>,
}

/// A window with its number of rows.
#[derive(Clone)]
struct WindowRows {
    rows: Arc<Rows>,
    count: usize,
}

impl std::fmt::Debug for WindowRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WindowRows").field("count", &self.count).finish_non_exhaustive()
    }
}

impl PartRows {
    pub(crate) fn new(part: Arc<Part>, cache: Arc<WindowCache>, rows: std::ops::Range<u64>, wanted: Wanted) -> Self {
        Self { part, cache, wanted, at: rows.start, end: rows.end, window: None }
    }

    /// Returns the decoded window of the current row, and the row's index in it; `None` after the last row.
    fn current(&mut self) -> Option<(&Rows, usize)> {
        if self.at >= self.end {
            return None;
        }
        if self.window.as_ref().is_none_or(|(window, at)| *at >= window.count) {
            self.window = None;
            let (group, row) = self.part.place(self.at)?;
            let (window, within) = (row / PAGE_ROWS, row % PAGE_ROWS);
            let key = WindowKey { part: self.part.id, group, window, wanted: self.wanted };
            match self.part.window(&self.cache, key) {
                Ok(rows) => {
                    let of_group = usize::try_from(self.part.footer.groups[group].rows).unwrap_or(usize::MAX);
                    let count = PAGE_ROWS.min(of_group - window * PAGE_ROWS);
                    self.window = Some((WindowRows { rows, count }, within));
                }
                Err(e) => return self.fail(e.to_string()),
            }
        }
        self.window.as_ref().map(|(window, at)| (&*window.rows, *at))
    }

    /// Ends the rows: further rows are not known.
    fn fail<T>(&mut self, why: String) -> Option<T> {
        self.part.fail(why);
        (self.at, self.window) = (self.end, None);
        None
    }

    fn advance(&mut self) {
        self.at += 1;
        if let Some((_, at)) = &mut self.window {
            *at += 1;
        }
    }

    /// Returns the version of the current row's object; `None` after the last row.
    fn version(&mut self) -> Option<ObjectVersion<'_>> {
        let (rows, at) = self.current()?;
        if rows.version(at).is_none() {
            return self.fail("a row has no key".into());
        }
        self.window.as_ref().and_then(|(window, at)| window.rows.version(*at))
    }

    /// Returns the current row's content and advances; `None` if it cannot be read.
    fn take_content(&mut self) -> Option<Content> {
        let reparse = self.wanted == Wanted::Everything;
        let (rows, at) = self.current()?;
        let content = match rows.body(at).filter(|_| reparse) {
            Some(body) => Some(Content::parse(body)),
            None if reparse => None,
            None => rows.content(at),
        };
        match content {
            Some(content) => {
                self.advance();
                Some(content)
            }
            None => self.fail("a row has neither a record nor a reason".into()),
        }
    }

    /// Returns the current row and advances; `None` if it cannot be read.
    fn take_row(&mut self) -> Option<PartRow> {
        let (rows, at) = self.current()?;
        match rows.row(at) {
            Some(row) => {
                self.advance();
                Some(row)
            }
            None => self.fail("a row is not complete".into()),
        }
    }
}

/// The versions of a part's objects, and whether each holds a record.
#[derive(Debug)]
pub(crate) struct Versions(pub PartRows);

impl KnownObjects for Versions {
    type Known = bool;

    fn peek(&mut self) -> Option<ObjectVersion<'_>> {
        self.0.version()
    }

    fn skip(&mut self) {
        self.0.advance();
    }

    fn take(&mut self) -> Option<bool> {
        let is_record = self.0.current().map(|(rows, at)| rows.is_record(at));
        self.0.advance();
        is_record
    }
}

/// The contents of a part's rows.
#[derive(Debug)]
pub(crate) struct Contents(pub PartRows);

impl KnownObjects for Contents {
    type Known = Content;

    fn peek(&mut self) -> Option<ObjectVersion<'_>> {
        self.0.version()
    }

    fn skip(&mut self) {
        self.0.advance();
    }

    fn take(&mut self) -> Option<Content> {
        self.0.take_content()
    }
}

/// Complete rows of a part.
#[derive(Debug)]
pub(crate) struct CompleteRows(pub PartRows);

impl KnownObjects for CompleteRows {
    type Known = PartRow;

    fn peek(&mut self) -> Option<ObjectVersion<'_>> {
        self.0.version()
    }

    fn skip(&mut self) {
        self.0.advance();
    }

    fn take(&mut self) -> Option<PartRow> {
        self.0.take_row()
    }
}

impl Iterator for CompleteRows {
    type Item = PartRow;

    fn next(&mut self) -> Option<PartRow> {
        self.0.take_row()
    }
}
