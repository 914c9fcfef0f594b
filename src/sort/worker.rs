//! Collecting entries in any order: the first batch inline, more in a sorting thread.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::run::RunWriter;
use super::runs::{RunFiles, SortDir};
use super::{BATCH, ON_THE_WAY, SortOrder, Sorted};

/// Sorts entries pushed in any order. More than one batch is sorted in a separate thread.
pub(crate) struct Sorter<T: SortOrder> {
    batch: Vec<T>,
    work: SortWorker<T>,
    pub(super) runs: Option<RunFiles>,
}

/// Place of the sorting: a thread or the caller.
enum SortWorker<T: SortOrder> {
    /// Sorts in the pushing thread: there was no complete batch yet.
    Inline(Box<RunWriter<T>>),
    Thread {
        to: SyncSender<Vec<T>>,
        thread: JoinHandle<io::Result<RunWriter<T>>>,
    },
    /// No worker, after an error.
    Failed,
}

impl<T: SortOrder> Sorter<T> {
    /// Creates a sorter that keeps `run` entries in memory before a run is written to the system's temporary directory.
    #[cfg(test)]
    pub(crate) fn new(run: usize) -> Self {
        Self::with(run, None)
    }

    /// Creates a sorter with its runs in that directory.
    ///
    /// # Errors
    ///
    /// Returns an error if nothing can be created there.
    pub(crate) fn in_dir(run: usize, dir: &SortDir) -> io::Result<Self> {
        Ok(Self::with(run, Some(RunFiles::in_dir(dir)?)))
    }

    fn with(run: usize, runs: Option<RunFiles>) -> Self {
        let writer = RunWriter::new(run, runs.as_ref().map(|runs| runs.dir.path().to_path_buf()));
        Self { batch: Vec::new(), work: SortWorker::Inline(Box::new(writer)), runs }
    }

    /// Adds an entry; blocks if the sorting cannot keep up.
    ///
    /// # Errors
    ///
    /// Returns an error if a run cannot be written.
    pub(crate) fn push(&mut self, entry: T) -> io::Result<()> {
        self.batch.push(entry);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.work = match std::mem::replace(&mut self.work, SortWorker::Failed) {
            SortWorker::Inline(sorter) => {
                let (to, from) = sync_channel(ON_THE_WAY);
                let thread = std::thread::Builder::new().name("sort".into()).spawn(move || sort(*sorter, &from))?;
                SortWorker::Thread { to, thread }
            }
            other => other,
        };
        let sent = match &self.work {
            SortWorker::Thread { to, .. } => to.send(batch).is_ok(),
            SortWorker::Inline(_) | SortWorker::Failed => false,
        };
        // The thread has ended early; its result contains the error.
        if sent { Ok(()) } else { self.runner().map(drop) }
    }

    /// Waits for the sorter, and returns it with all entries.
    fn runner(&mut self) -> io::Result<RunWriter<T>> {
        match std::mem::replace(&mut self.work, SortWorker::Failed) {
            SortWorker::Inline(sorter) => Ok(*sorter),
            SortWorker::Thread { to, thread } => {
                drop(to);
                thread.join().unwrap_or_else(|_| Err(io::Error::other("the sort ended unexpectedly")))
            }
            SortWorker::Failed => Err(io::Error::other("the sorting failed before")),
        }
    }

    /// Ends the input and returns the sorted entries.
    ///
    /// # Errors
    ///
    /// Returns an error if a run cannot be written or read back.
    pub(crate) fn finish(mut self) -> io::Result<Sorted<T>> {
        let mut sorter = self.runner()?;
        self.batch.drain(..).try_for_each(|entry| sorter.push(entry))?;
        Sorted::of(sorter.merge()?, self.runs)
    }
}

/// Sorts what comes, until no more does.
fn sort<T: SortOrder>(mut sorter: RunWriter<T>, from: &Receiver<Vec<T>>) -> io::Result<RunWriter<T>> {
    for batch in from {
        batch.into_iter().try_for_each(|entry| sorter.push(entry))?;
    }
    Ok(sorter)
}
