//! Copy of the fetched ranges of a file, in a temporary file with the same offsets.
//!
//! A part is decoded in small windows, for many farms at once. In memory, the ranges would grow with the number of
//! farms.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes that are read for a page header.
const HEADER: usize = 256;

/// Temporary file with a copy of some ranges of another.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    file: Arc<Mutex<File>>,
    length: u64,
}

impl Spool {
    /// Creates a copy of a file with this length, without any range.
    pub(super) fn new(length: u64) -> io::Result<Self> {
        Ok(Self { file: Arc::new(Mutex::new(tempfile::tempfile()?)), length })
    }

    /// Adds a range.
    pub(super) fn fill(&self, start: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))?;
        file.write_all(bytes)
    }

    fn read_at(&self, start: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))?;
        file.read(out)
    }
}

/// Reader of a copy from an offset.
pub(super) struct SpoolReader {
    spool: Spool,
    at: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.spool.read_at(self.at, out)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Length for Spool {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Spool {
    type T = BufReader<SpoolReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::with_capacity(HEADER, SpoolReader { spool: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        let mut reader = SpoolReader { spool: self.clone(), at: start };
        reader.read_exact(&mut bytes).map_err(|e| ParquetError::External(Box::new(e)))?;
        Ok(bytes.into())
    }
}
