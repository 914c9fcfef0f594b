//! Reading entries in sorted order: runs are merged while they are read.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::run::MergedRuns;
use super::runs::RunFiles;
use super::{BATCH, ON_THE_WAY, SortOrder};

/// Sorted entries. More than one batch is read back from disk by a separate thread, ahead of the consumer.
pub(crate) struct Sorted<T: SortOrder> {
    source: SortedSource<T>,
    // Dropped after the source, whose thread reads these files.
    _runs: Option<RunFiles>,
}

/// Source of the sorted entries.
enum SortedSource<T: SortOrder> {
    Inline(MergedRuns<T>),
    Prefetched {
        batch: std::vec::IntoIter<T>,
        /// `None` after the last batch or an error.
        from: Option<Receiver<io::Result<Vec<T>>>>,
        thread: Option<JoinHandle<()>>,
    },
}

impl<T: SortOrder> Sorted<T> {
    /// Creates the iterator over entries with these run files.
    ///
    /// # Errors
    ///
    /// Returns an error if no thread can be started.
    pub(super) fn of(entries: MergedRuns<T>, runs: Option<RunFiles>) -> io::Result<Self> {
        let source = if entries.entry_count() > BATCH as u64 {
            SortedSource::ahead(entries)?
        } else {
            SortedSource::Inline(entries)
        };
        Ok(Self { source, _runs: runs })
    }
}

impl<T: SortOrder> SortedSource<T> {
    fn ahead(mut entries: MergedRuns<T>) -> io::Result<Self> {
        let (to, from) = sync_channel(ON_THE_WAY);
        let read = move || {
            loop {
                let batch: io::Result<Vec<T>> = entries.by_ref().take(BATCH).collect();
                let last = batch.as_ref().map_or(true, |batch| batch.len() < BATCH);
                if to.send(batch).is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("sorted".into()).spawn(read)?;
        Ok(Self::Prefetched { batch: Vec::new().into_iter(), from: Some(from), thread: Some(thread) })
    }
}

impl<T: SortOrder> Drop for SortedSource<T> {
    fn drop(&mut self) {
        if let Self::Prefetched { from, thread, .. } = self {
            drop(from.take());
            // The thread ends at its next batch; a panic was reported as a broken channel.
            drop(thread.take().map(JoinHandle::join));
        }
    }
}

impl<T: SortOrder> Iterator for Sorted<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            SortedSource::Inline(entries) => entries.next(),
            SortedSource::Prefetched { batch, from, .. } => {
                if batch.len() == 0 {
                    match from.as_ref()?.recv() {
                        Ok(Ok(more)) => {
                            if more.len() < BATCH {
                                *from = None;
                            }
                            *batch = more.into_iter();
                        }
                        Ok(Err(e)) => {
                            *from = None;
                            return Some(Err(e));
                        }
                        Err(_) => {
                            *from = None;
                            return Some(Err(io::Error::other("reading of the sorted runs ended unexpectedly")));
                        }
                    }
                }
                batch.next().map(Ok)
            }
        }
    }
}
