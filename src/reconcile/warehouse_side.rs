//! Warehouse side of an audit: reads every row once, from one snapshot, in the order of the merge.
//!
//! The scan runs while the lake is read, and writes to a [`Spool`]. A lost connection also loses its snapshot. The scan
//! then continues after the last id in a new snapshot, and the audit reports the number of snapshots.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::entries::{SpooledRow, WarehouseEntry};
use super::window::AuditWindow;
use crate::sort::{OrderedId, Sorted, Sorter};
use pipeline::record::row::TableSchema;
use pipeline::warehouse::{BulkWarehouse, Error, IdRange, TimeWindow};

use super::spool::Spool;

/// Rows per statement, because servers drop a stream that lasts for hours.
const CHUNK: u32 = 500_000;
/// Rows per page of the spool.
const PAGE: usize = 4_000;
/// Rows per batch for the merge.
const BATCH: usize = 1_000;
/// Number of batches prepared for the merge.
const AHEAD: usize = 2;
/// Error message if the disk cannot store the rows.
const FULL: &str = "cannot store warehouse rows on disk: set --sort-dir to a directory with free space";
/// Number of consecutive lost connections without a page after which the scan fails.
const LOST: u32 = 5;

/// Scan in progress.
pub(super) struct WarehouseScan {
    task: JoinHandle<anyhow::Result<()>>,
    spool: Spool<SpooledRow>,
    snapshots: Arc<AtomicU64>,
}

impl WarehouseScan {
    /// Starts to read the rows of a range of ids and of these windows; an empty list reads all rows of the range.
    pub(super) fn begin(
        warehouse: Arc<dyn BulkWarehouse>,
        schema: TableSchema,
        ids: IdRange,
        windows: Vec<TimeWindow>,
        dir: PathBuf,
    ) -> Self {
        let (spool, snapshots) = (Spool::in_folder(dir), Arc::new(AtomicU64::new(0)));
        let (into, count) = (spool.clone(), Arc::clone(&snapshots));
        let task = tokio::spawn(async move {
            let scanned = scan(&*warehouse, &schema, (&ids, &windows), &into, &count).await;
            into.end();
            scanned
        });
        Self { task, spool, snapshots }
    }

    /// Returns the rows of the scan that are inside of the window.
    pub(super) fn into_rows(self, inside: Option<AuditWindow>, late: Sorter<WarehouseEntry>) -> RowStream {
        let (to, from) = mpsc::channel(AHEAD);
        let snapshots = Arc::clone(&self.snapshots);
        let feed = RowFeed {
            scan: self,
            inside,
            ready: Vec::new().into_iter(),
            last: None,
            late: UnorderedRows::Gathering(late),
        };
        RowStream { batch: Vec::new().into_iter(), from, feed: tokio::spawn(feed.send(to)), snapshots }
    }
}

impl Drop for WarehouseScan {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn scan(
    warehouse: &dyn BulkWarehouse,
    schema: &TableSchema,
    (ids, windows): (&IdRange, &[TimeWindow]),
    spool: &Spool<SpooledRow>,
    count: &AtomicU64,
) -> anyhow::Result<()> {
    let (mut after, mut lost): (Option<String>, u32) = (None, 0);
    loop {
        let mut snapshot = warehouse.snapshot(schema).await?;
        count.fetch_add(1, Ordering::Relaxed);
        let e: Error = 'session: loop {
            let mut pages = snapshot.scan(ids.after(after.clone()), CHUNK, PAGE, windows);
            let mut rows = 0;
            while let Some(page) = pages.next().await {
                let page = match page {
                    Ok(page) => page,
                    Err(e) => break 'session e,
                };
                (rows, lost) = (rows + page.len(), 0);
                after = page.last().map(|row| row.id().to_owned()).or(after);
                spool.push(page.into_iter().map(SpooledRow).collect()).context(FULL)?;
            }
            if rows < CHUNK as usize {
                return Ok(());
            }
        };
        lost += 1;
        if !e.kind().is_transient() || lost > LOST {
            return Err(e.into());
        }
        tracing::warn!(
            "warehouse snapshot lost ({e}): continuing after {} in a new snapshot",
            after.as_deref().unwrap_or("nothing")
        );
    }
}

/// Rows in the order of the merge, prepared by a separate task.
pub(super) struct RowStream {
    batch: std::vec::IntoIter<WarehouseEntry>,
    from: mpsc::Receiver<anyhow::Result<Vec<WarehouseEntry>>>,
    feed: JoinHandle<()>,
    snapshots: Arc<AtomicU64>,
}

impl RowStream {
    /// Returns rows that are sorted already, and inside the window.
    pub(super) fn of_sorted(rows: Sorted<WarehouseEntry>, inside: Option<AuditWindow>) -> Self {
        let (to, from) = mpsc::channel(AHEAD);
        let feed = tokio::task::spawn_blocking(move || {
            let mut rows = rows.filter(|row| match (row, &inside) {
                (Ok(row), Some(inside)) => inside.has_row(&row.row.0),
                _ => true,
            });
            loop {
                let batch: std::io::Result<Vec<_>> = rows.by_ref().take(BATCH).collect();
                let is_last = batch.as_ref().map_or(true, Vec::is_empty);
                if to.blocking_send(batch.context("sorted rows cannot be read back")).is_err() || is_last {
                    return;
                }
            }
        });
        Self { batch: Vec::new().into_iter(), from, feed, snapshots: Arc::default() }
    }

    /// Returns the number of snapshots: more than 1 if a connection was lost.
    pub(super) fn snapshots(&self) -> u64 {
        self.snapshots.load(Ordering::Relaxed)
    }

    /// Returns the next row.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<WarehouseEntry>> {
        loop {
            if let Some(row) = self.batch.next() {
                return Ok(Some(row));
            }
            match self.from.recv().await.context("the warehouse rows ended early")? {
                Ok(batch) if batch.is_empty() => return Ok(None),
                batch => self.batch = batch?.into_iter(),
            }
        }
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

/// Orders rows: plain ids as the server sorts them, other ids sorted here.
struct RowFeed {
    scan: WarehouseScan,
    inside: Option<AuditWindow>,
    ready: std::vec::IntoIter<SpooledRow>,
    last: Option<OrderedId>,
    late: UnorderedRows,
}

enum UnorderedRows {
    Gathering(Sorter<WarehouseEntry>),
    Sorted(Sorted<WarehouseEntry>),
    Over,
}

impl RowFeed {
    /// Sends all rows, and an empty batch after them.
    async fn send(mut self, to: mpsc::Sender<anyhow::Result<Vec<WarehouseEntry>>>) {
        loop {
            let batch = self.batch().await;
            let last = batch.as_ref().map_or(true, Vec::is_empty);
            if to.send(batch).await.is_err() || last {
                return;
            }
        }
    }

    async fn batch(&mut self) -> anyhow::Result<Vec<WarehouseEntry>> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH
            && let Some(row) = self.next().await?
        {
            batch.push(row);
        }
        Ok(batch)
    }

    /// Returns the next row.
    async fn next(&mut self) -> anyhow::Result<Option<WarehouseEntry>> {
        loop {
            while let Some(row) = self.ready.next() {
                if let Some(row) = self.place(row)? {
                    return Ok(Some(row));
                }
            }
            if let UnorderedRows::Sorted(sorted) = &mut self.late {
                return sorted.next().transpose().context("sorted rows cannot be read back");
            }
            match self.scan.spool.next().await.context("rows of the warehouse cannot be read back from disk")? {
                Some(rows) => self.ready = rows.into_iter(),
                None => self.begin_late().await?,
            }
        }
    }

    /// Returns the row if it is next in order.
    fn place(&mut self, row: SpooledRow) -> anyhow::Result<Option<WarehouseEntry>> {
        if self.inside.as_ref().is_some_and(|inside| !inside.has_row(&row.0)) {
            return Ok(None);
        }
        let id = OrderedId::new(row.0.id());
        if id.is_other() {
            // Deferred: the server sorts other ids somewhere among the plain ones.
            if let UnorderedRows::Gathering(late) = &mut self.late {
                late.push(WarehouseEntry { id, row }).context(FULL)?;
            }
            return Ok(None);
        }
        anyhow::ensure!(
            self.last.as_ref() < Some(&id),
            "the server's order of ids is not that of their characters: check the collation of id_treated_data"
        );
        self.last = Some(id.clone());
        Ok(Some(WarehouseEntry { id, row }))
    }

    async fn begin_late(&mut self) -> anyhow::Result<()> {
        (&mut self.scan.task).await.context("the scan of the warehouse failed")??;
        if let UnorderedRows::Gathering(late) = std::mem::replace(&mut self.late, UnorderedRows::Over) {
            self.late = UnorderedRows::Sorted(late.finish().context(FULL)?);
        }
        Ok(())
    }
}
