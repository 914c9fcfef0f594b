//! Sorted runs: entries that do not fit in memory are sorted, written to disk as a run, and merged as they are read back.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::marker::PhantomData;
use std::path::PathBuf;

use itertools::{Itertools, KMergeBy};

use super::SortOrder;

/// Collects entries. When `limit` of them are in memory and one more comes, they are written to disk as a run.
pub(super) struct RunWriter<T> {
    limit: usize,
    /// `None`: the system's folder for temporary files.
    dir: Option<PathBuf>,
    buffer: Vec<T>,
    encoded: Vec<u8>,
    runs: Vec<Run>,
    count: u64,
}

/// A run on disk.
struct Run {
    file: File,
    entries: u64,
}

impl<T: SortOrder> RunWriter<T> {
    pub(super) fn new(limit: usize, dir: Option<PathBuf>) -> Self {
        let limit = limit.max(1);
        Self { limit, dir, buffer: Vec::new(), encoded: Vec::new(), runs: Vec::new(), count: 0 }
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// A run cannot be written.
    pub(super) fn push(&mut self, entry: T) -> io::Result<()> {
        if self.buffer.len() >= self.limit {
            self.write_run()?;
        }
        self.buffer.push(entry);
        self.count += 1;
        Ok(())
    }

    /// Returns all entries in order.
    ///
    /// # Errors
    /// A run cannot be written or read back.
    pub(super) fn merge(mut self) -> io::Result<MergedRuns<T>> {
        if self.runs.is_empty() {
            self.buffer.sort_unstable_by(SortOrder::compare);
            return Ok(MergedRuns { count: self.count, source: Source::Memory(self.buffer.into_iter()) });
        }
        self.write_run()?;
        let readers: Vec<_> = self.runs.into_iter().map(RunReader::new).collect::<io::Result<_>>()?;
        let comes_first: ComesFirst<T> = comes_first;
        Ok(MergedRuns { count: self.count, source: Source::Disk(readers.into_iter().kmerge_by(comes_first)) })
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.buffer.sort_unstable_by(SortOrder::compare);
        let mut writer = BufWriter::new(self.create_file()?);
        let entries = self.buffer.len() as u64;
        for entry in self.buffer.drain(..) {
            self.encoded.clear();
            self.encoded = postcard::to_extend(&entry, std::mem::take(&mut self.encoded)).map_err(io::Error::other)?;
            let length = u32::try_from(self.encoded.len()).map_err(io::Error::other)?;
            writer.write_all(&length.to_le_bytes())?;
            writer.write_all(&self.encoded)?;
        }
        let file = writer.into_inner()?;
        self.runs.push(Run { file, entries });
        Ok(())
    }

    fn create_file(&self) -> io::Result<File> {
        match &self.dir {
            Some(dir) => {
                let path = dir.join(self.runs.len().to_string());
                File::options().create_new(true).read(true).write(true).open(path)
            }
            None => tempfile::tempfile(),
        }
    }
}

/// Function that returns true if the first of two heads comes before the second. An error is returned at once.
type ComesFirst<T> = fn(&io::Result<T>, &io::Result<T>) -> bool;

fn comes_first<T: SortOrder>(one: &io::Result<T>, other: &io::Result<T>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.compare(other).is_lt(),
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    }
}

/// Entries in order, from memory or from runs on disk.
pub(super) struct MergedRuns<T: SortOrder> {
    count: u64,
    source: Source<T>,
}

enum Source<T: SortOrder> {
    Memory(std::vec::IntoIter<T>),
    Disk(KMergeBy<RunReader<T>, ComesFirst<T>>),
}

impl<T: SortOrder> MergedRuns<T> {
    /// Returns the total number of entries.
    pub(super) const fn entry_count(&self) -> u64 {
        self.count
    }
}

impl<T: SortOrder> Iterator for MergedRuns<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Memory(entries) => entries.next().map(Ok),
            Source::Disk(entries) => entries.next(),
        }
    }
}

/// Reads a run back. A run that ends before its last entry is an error.
struct RunReader<T> {
    reader: BufReader<File>,
    left: u64,
    encoded: Vec<u8>,
    entry: PhantomData<T>,
}

impl<T: SortOrder> RunReader<T> {
    fn new(mut run: Run) -> io::Result<Self> {
        run.file.rewind()?;
        let reader = BufReader::new(run.file);
        Ok(Self { reader, left: run.entries, encoded: Vec::new(), entry: PhantomData })
    }

    fn read(&mut self) -> io::Result<T> {
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        self.encoded.resize(u32::from_le_bytes(length) as usize, 0);
        self.reader.read_exact(&mut self.encoded)?;
        postcard::from_bytes(&self.encoded).map_err(io::Error::other)
    }
}

impl<T: SortOrder> Iterator for RunReader<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.read();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}
