//! An open part of a lake: its footer is verified, and its row groups are fetched and verified when they are needed.

use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parquet::file::metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader};
use tokio::sync::Mutex;

use super::cursor::{OpenWindow, Wanted};
use super::distrust::Distrust;
use super::footer::{Chunk, DayFacts, Footer};
use super::layout::RULES;
use super::name::PartName;
use super::spool::Spool;
use crate::parquet::check_metadata;
use pipeline::lake::{Lake, ObjectMeta};

/// Number of bytes in the first read, from the end of a file: enough for the footer of a month.
const TAIL: u64 = 64 * 1024;

/// Maximum size of a footer. A part of 4 million rows has a footer of 1 MB.
const MAX_FOOTER: u64 = 64 << 20;

/// Size of the magic bytes and the length at the end of a file.
const END: u64 = 8;

/// A part whose footer is verified.
pub struct Part {
    /// Number of the part in this process.
    pub(super) id: u64,
    pub(super) footer: Footer,
    pub(super) metadata: ParquetMetaData,
    pub(super) spool: Spool,
    /// Position up to which rows were decoded.
    pub(super) open: std::sync::Mutex<Option<OpenWindow>>,
    lake: Arc<dyn Lake>,
    meta: ObjectMeta,
    /// Chunks that are in the spool, by row group.
    fetched: Mutex<Vec<Fetched>>,
    /// Reason why its rows cannot be decoded although the hashes of its bytes match.
    failed: OnceLock<String>,
}

/// Chunks of a row group that are in the spool.
#[derive(Debug, Clone, Copy, Default)]
struct Fetched {
    data: bool,
    body: bool,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("meta", &self.meta).field("rows", &self.footer.rows).finish_non_exhaustive()
    }
}

impl Part {
    /// Opens a listed part in the folder of a lake's parts.
    ///
    /// # Errors
    /// Returns the reason if it cannot be trusted.
    pub async fn open(parts: Arc<dyn Lake>, meta: ObjectMeta, name: &PartName, lake: &str) -> Result<Self, Distrust> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if meta.etag.is_empty() {
            return Err(Distrust::NoEtag);
        }
        let metadata = read_metadata(&*parts, &meta).await?;
        let footer = Footer::open(&metadata, lake, name)?;
        let within = |chunk: &Chunk| chunk.start >= 4 && chunk.end() <= meta.size;
        if !footer.groups.iter().all(|group| within(&group.data) && within(&group.body)) {
            return Err(Distrust::Damaged("its row groups are outside of the file".into()));
        }
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            fetched: Mutex::new(vec![Fetched::default(); footer.groups.len()]),
            footer,
            metadata,
            spool: Spool::new(meta.size)?,
            open: std::sync::Mutex::default(),
            lake: parts,
            meta,
            failed: OnceLock::new(),
        })
    }

    /// Returns its footer.
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Returns its listing entry.
    pub fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Returns the columns that are needed for the contents of its rows: also the original objects if the rows follow
    /// other rules.
    pub(crate) fn needed(&self) -> Wanted {
        if self.footer.rules == RULES { Wanted::Data } else { Wanted::Everything }
    }

    /// Returns the rows of a day.
    pub(crate) fn rows_of(&self, day: &DayFacts) -> Range<u64> {
        day.first_row..day.first_row + day.rows
    }

    /// Returns all rows.
    pub(crate) fn all_rows(&self) -> Range<u64> {
        0..self.footer.rows
    }

    /// Fetches and verifies the row groups of some rows, except those that were fetched already.
    ///
    /// # Errors
    /// Returns the reason if they cannot be trusted.
    pub(crate) async fn load(&self, rows: Range<u64>, wanted: Wanted) -> Result<(), Distrust> {
        let mut fetched = self.fetched.lock().await;
        let mut first = 0;
        for (group, done) in self.footer.groups.iter().zip(fetched.iter_mut()) {
            let overlaps = first < rows.end && rows.start < first + group.rows;
            first += group.rows;
            if !overlaps {
                continue;
            }
            if !done.data {
                self.fetch(&group.data).await?;
                done.data = true;
            }
            if wanted == Wanted::Everything && !done.body {
                self.fetch(&group.body).await?;
                done.body = true;
            }
        }
        Ok(())
    }

    async fn fetch(&self, chunk: &Chunk) -> Result<(), Distrust> {
        let bytes = self.lake.get_range(&self.meta, chunk.start..chunk.end()).await?;
        if !chunk.is(&bytes) {
            return Err(Distrust::Damaged("the hash of a row group does not match".into()));
        }
        let (spool, start) = (self.spool.clone(), chunk.start);
        let filled = tokio::task::spawn_blocking(move || spool.fill(start, &bytes)).await;
        Ok(filled.map_err(std::io::Error::other)??)
    }

    /// Records that its rows cannot be decoded.
    pub(super) fn fail(&self, why: String) {
        tracing::warn!("part {} cannot be decoded, reading its objects: {why}", self.meta.key);
        let _ = self.failed.set(why); // the first reason
    }

    /// Returns the reason why its rows cannot be decoded; `None` if none was found.
    pub(crate) fn failure(&self) -> Option<Distrust> {
        self.failed.get().map(|why| Distrust::Damaged(why.clone()))
    }
}

/// Reads and parses the metadata at the end of a file.
async fn read_metadata(lake: &dyn Lake, meta: &ObjectMeta) -> Result<ParquetMetaData, Distrust> {
    let damaged = |what: &str| Distrust::Damaged(what.to_owned());
    if meta.size < END + 4 {
        return Err(damaged("it is too short"));
    }
    let tail = lake.get_range(meta, meta.size - TAIL.min(meta.size)..meta.size).await?;
    let end: [u8; END as usize] =
        tail[tail.len().saturating_sub(END as usize)..].try_into().map_err(|_| damaged("it is too short"))?;
    let end = FooterTail::try_new(&end).map_err(|_| damaged("its end is missing"))?;
    let length = end.metadata_length() as u64;
    if end.is_encrypted_footer() || length > (meta.size - END).min(MAX_FOOTER) {
        return Err(damaged("its end is not that of a part"));
    }
    let footer: Bytes = if length + END <= tail.len() as u64 {
        tail.slice(tail.len() - (length + END) as usize..tail.len() - END as usize)
    } else {
        lake.get_range(meta, meta.size - END - length..meta.size - END).await?
    };
    check_metadata(&footer).map_err(|e| Distrust::Damaged(e.to_string()))?;
    // The decoder may panic, because the file is not verified yet and may be damaged.
    let decoded = catch_unwind(AssertUnwindSafe(|| ParquetMetaDataReader::decode_metadata(&footer)));
    match decoded {
        Ok(Ok(metadata)) => Ok(metadata),
        Ok(Err(e)) => Err(Distrust::Damaged(e.to_string())),
        Err(_) => Err(damaged("its footer cannot be decoded")),
    }
}
