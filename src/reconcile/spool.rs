//! Buffer between a stream that must not wait and a reader that may be slow: some pages in memory, the rest on disk.
//!
//! The warehouse is read at the same time as the lake. With the buffer, its snapshot ends once the server has sent all
//! rows, even if the lake is slow. No row stream waits until the server aborts it (`net_write_timeout`).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

/// Maximum number of pages in memory.
const READY: usize = 4;

/// Spool of pages; clones share the same spool.
#[derive(Debug)]
pub(super) struct Spool<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    ready: VecDeque<Vec<T>>,
    dir: PathBuf,
    /// Pages that exceed the memory limit, each after its length.
    file: Option<File>,
    written: u64,
    read: u64,
    ended: bool,
}

impl<T> Clone for Spool<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Returns an empty spool, whose file is created in that directory.
    pub(super) fn in_folder(dir: PathBuf) -> Self {
        let state = State { ready: VecDeque::new(), dir, file: None, written: 0, read: 0, ended: false };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a page, without waiting for the reader.
    ///
    /// # Errors
    /// Returns an error if the disk cannot store it.
    pub(super) fn push(&self, piece: Vec<T>) -> io::Result<()> {
        let mut state = self.state();
        if state.ready.len() < READY && state.written == state.read {
            state.ready.push_back(piece);
        } else {
            state.write(&piece)?;
        }
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Marks the end of the pages.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.0.changed.notify_one();
    }

    /// Waits for the next page, in order; returns `None` after the last.
    ///
    /// # Errors
    /// Returns an error if a page cannot be read from disk.
    pub(super) async fn next(&self) -> io::Result<Option<Vec<T>>> {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut state = self.state();
                if let Some(piece) = state.ready.pop_front() {
                    return Ok(Some(piece));
                }
                if state.read < state.written {
                    return state.read_back().map(Some);
                }
                if state.ended {
                    return Ok(None);
                }
            }
            changed.await;
        }
    }
}

impl<T: Serialize + DeserializeOwned> State<T> {
    fn write(&mut self, piece: &[T]) -> io::Result<()> {
        let bytes = postcard::to_stdvec(piece).map_err(io::Error::other)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.dir)?),
        };
        file.seek(SeekFrom::Start(self.written))?;
        file.write_all(&(bytes.len() as u64).to_le_bytes())?;
        file.write_all(&bytes)?;
        self.written += 8 + bytes.len() as u64;
        Ok(())
    }

    fn read_back(&mut self) -> io::Result<Vec<T>> {
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("nothing was written"))?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact(&mut bytes)?;
        self.read += 8 + length;
        if self.read == self.written {
            // Everything was read: new pages start at the beginning of the file again.
            file.set_len(0)?;
            (self.read, self.written) = (0, 0);
        }
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_gets_everything_in_order_and_the_rest_spills_to_disk() {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(home.path().to_path_buf());
        let mut expected = 0_u32;
        let mut next = 0_u32;
        let mut push = |pieces: u32| {
            for _ in 0..pieces {
                spool.push((next..next + 10).collect()).unwrap();
                next += 10;
            }
        };
        for (pushed, taken) in [(30, 7), (1, 23), (2, 3), (20, 5), (0, 10), (3, 0)] {
            push(pushed);
            for _ in 0..taken {
                let piece = spool.next().await.unwrap().unwrap();
                assert_eq!(piece, (expected..expected + 10).collect::<Vec<_>>());
                expected += 10;
            }
            assert!(spool.state().ready.len() <= READY);
        }
        assert!(spool.state().file.is_some());
        spool.end();
        while let Some(piece) = spool.next().await.unwrap() {
            assert_eq!(piece[0], expected);
            expected += 10;
        }
        assert_eq!(expected, 560);
    }

    #[tokio::test]
    async fn a_reader_waits_for_what_is_still_to_come() {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(home.path().to_path_buf());
        let (one, other) = (spool.clone(), spool.clone());
        let read = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(piece) = one.next().await.unwrap() {
                all.extend(piece);
            }
            all
        });
        for n in 0..100_u32 {
            other.push(vec![n]).unwrap();
            tokio::task::yield_now().await;
        }
        other.end();
        assert_eq!(read.await.unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let spool = Spool::in_folder("/nonexistent".into());
        let outcome: Vec<bool> = (0..=READY).map(|n| spool.push(vec![n]).is_ok()).collect();
        assert_eq!(outcome.iter().filter(|ok| !**ok).count(), 1, "only once memory is full");
    }
}
