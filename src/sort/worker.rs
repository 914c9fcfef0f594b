//! Taking entries in any order: the first in place, more than a batch in a thread that sorts.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use extsort::{ExternalSorter, PushExternalSorter};

use super::runs::{RunFiles, SortDir};
use super::{BATCH, Compare, EncodedEntry, ON_THE_WAY, SortOrder, Sorted};

type Runner<T> = PushExternalSorter<EncodedEntry<T>, Compare<T>>;

/// Takes entries in any order and gives them back in theirs; more than a few are sorted in a thread of their own.
pub(crate) struct Sorter<T: SortOrder> {
    batch: Vec<T>,
    work: SortWorker<T>,
    pub(super) runs: Option<RunFiles>,
}

/// Who sorts.
enum SortWorker<T: SortOrder> {
    /// Whoever pushes: there was no whole batch yet.
    Inline(Box<Runner<T>>),
    Thread {
        to: SyncSender<Vec<T>>,
        thread: JoinHandle<io::Result<Runner<T>>>,
    },
    /// Nobody, after a failure.
    Failed,
}

impl<T: SortOrder> Sorter<T> {
    /// A sorter that keeps so many entries in memory before a run of them goes to disk, in the system's folder for such.
    #[cfg(test)]
    pub(crate) fn new(run: usize) -> Self {
        Self::with(run, None)
    }

    /// The same with its runs in that folder.
    ///
    /// # Errors
    /// Nothing can be made there.
    pub(crate) fn in_dir(run: usize, dir: &SortDir) -> io::Result<Self> {
        Ok(Self::with(run, Some(RunFiles::in_dir(dir)?)))
    }

    fn with(run: usize, runs: Option<RunFiles>) -> Self {
        let compare: Compare<T> = |a, b| a.0.compare(&b.0);
        let sorter = ExternalSorter::new().with_segment_size(run.max(1));
        let sorter = runs.iter().fold(sorter, |sorter, runs| sorter.with_sort_dir(runs.dir.path().to_path_buf()));
        Self { batch: Vec::new(), work: SortWorker::Inline(Box::new(sorter.pushed_by(compare))), runs }
    }

    /// Takes an entry; waits where the sorting cannot keep up.
    ///
    /// # Errors
    /// A run cannot be written.
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
        // The thread has ended before its time: it says why.
        if sent { Ok(()) } else { self.runner().map(drop) }
    }

    /// The sorter with all that was sent to it, once it has that.
    fn runner(&mut self) -> io::Result<Runner<T>> {
        match std::mem::replace(&mut self.work, SortWorker::Failed) {
            SortWorker::Inline(sorter) => Ok(*sorter),
            SortWorker::Thread { to, thread } => {
                drop(to);
                thread.join().unwrap_or_else(|_| Err(io::Error::other("the sorting broke off")))
            }
            SortWorker::Failed => Err(io::Error::other("the sorting failed before")),
        }
    }

    /// Ends taking.
    ///
    /// # Errors
    /// A run cannot be written or read back.
    pub(crate) fn finish(mut self) -> io::Result<Sorted<T>> {
        let mut sorter = self.runner()?;
        self.batch.drain(..).try_for_each(|entry| sorter.push(EncodedEntry(entry)))?;
        Sorted::of(sorter.done()?, self.runs)
    }
}

/// Sorts what comes, until no more does.
fn sort<T: SortOrder>(mut sorter: Runner<T>, from: &Receiver<Vec<T>>) -> io::Result<Runner<T>> {
    for batch in from {
        batch.into_iter().try_for_each(|entry| sorter.push(EncodedEntry(entry)))?;
    }
    Ok(sorter)
}
