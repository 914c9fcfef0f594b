//! Limit on how much larger than its file a decompressed content may be: a few megabytes of a hostile or damaged file
//! can decompress to terabytes.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Size of content that is accepted for a file of any size, in bytes.
const FREE_BYTES: u64 = 64 * 1024 * 1024;

/// Maximum ratio of decompressed to compressed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxExpansion(pub u64);

impl MaxExpansion {
    /// The default: histories have a ratio of 10 to 40, and gzip itself cannot exceed 1,032.
    pub const DEFAULT: Self = Self(250);
}

impl Default for MaxExpansion {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Compressed input whose bytes are counted as they are used.
pub(super) struct Counted<R> {
    input: R,
    used: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    /// Returns the counted input, and the counter.
    pub(super) fn new(input: R) -> (Self, Arc<AtomicU64>) {
        let used = Arc::<AtomicU64>::default();
        (Self { input, used: Arc::clone(&used) }, used)
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.used.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.used.fetch_add(count as u64, Ordering::Relaxed);
        self.input.consume(count);
    }
}

/// Decompressed content that ends with an error when it is too large for its file.
pub(super) struct Limited<R> {
    content: R,
    used: Arc<AtomicU64>,
    produced: u64,
    max: MaxExpansion,
}

impl<R> Limited<R> {
    pub(super) fn new(content: R, used: Arc<AtomicU64>, max: MaxExpansion) -> Self {
        Self { content, used, produced: 0, max }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(out)?;
        self.produced += read as u64;
        let used = self.used.load(Ordering::Relaxed);
        if self.produced > FREE_BYTES && self.produced > used.saturating_mul(self.max.0) {
            let MaxExpansion(max) = self.max;
            let why = format!(
                "its content is more than {max} times as large as the file: if it can be trusted, read it with a larger \
                 --max-decompression-ratio"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(read)
    }
}
