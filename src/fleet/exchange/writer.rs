//! Writes the exchange files of a shard to a temporary directory, and then to the run.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use futures::stream::{self, StreamExt, TryStreamExt};
use tempfile::NamedTempFile;

use super::ExchangeFile;
use super::format::{self, Header};
use crate::exchange::ExchangeWriter;
use crate::fleet::plan::sha256;
use crate::fleet::store::RunStore;

/// Size of the entries of a file before compression, in bytes.
const FILE_BYTES: usize = 4_000_000;
/// Number of files that are written to the run at once.
const WRITES: usize = 8;

/// Exchange files of a shard; clones write to the same files.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct FileWriter(Arc<Mutex<Files>>);

#[derive(Debug)]
struct Files {
    dir: std::path::PathBuf,
    plan_id: String,
    shard: u32,
    open: BTreeMap<&'static str, OpenFile>,
    done: Vec<(ExchangeFile, NamedTempFile)>,
}

/// Entries that are not in a file yet.
#[derive(Debug, Default)]
struct OpenFile {
    entries: Vec<u8>,
    count: u64,
    number: u32,
}

impl FileWriter {
    /// Returns a writer for a shard, which keeps its files in `dir` until they are complete.
    pub(in crate::fleet) fn new(dir: &Path, plan_id: &str, shard: u32) -> Self {
        let (dir, plan_id) = (dir.to_owned(), plan_id.to_owned());
        Self(Arc::new(Mutex::new(Files { dir, plan_id, shard, open: BTreeMap::new(), done: Vec::new() })))
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes the files and writes them to the run. Returns them in the order of their streams.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub(in crate::fleet) async fn finish(self, store: &RunStore) -> anyhow::Result<Vec<ExchangeFile>> {
        let (shard, done) = {
            let mut files = self.files();
            let streams: Vec<&'static str> = files.open.keys().copied().collect();
            streams.into_iter().try_for_each(|stream| files.close(stream)).context("cannot write to --sort-dir")?;
            let mut done = std::mem::take(&mut files.done);
            done.sort_by(|(one, _), (other, _)| one.stream.cmp(&other.stream)); // stable: in the order of their numbers
            (files.shard, done)
        };
        let write = |(file, local): (ExchangeFile, NamedTempFile)| async move {
            let content = tokio::fs::read(local.path()).await.context("a file in --sort-dir cannot be read back")?;
            store.create_by_content(&file.name(shard), content.into()).await?;
            Ok::<_, anyhow::Error>(file)
        };
        stream::iter(done).map(write).buffered(WRITES).try_collect().await
    }
}

impl ExchangeWriter for FileWriter {
    fn write(&mut self, stream: &'static str, entry: &[u8]) -> io::Result<()> {
        let mut files = self.files();
        let open = files.open.entry(stream).or_default();
        format::push(&mut open.entries, entry)?;
        open.count += 1;
        if open.entries.len() >= FILE_BYTES { files.close(stream) } else { Ok(()) }
    }
}

impl Files {
    /// Completes the current file of a stream.
    fn close(&mut self, stream: &'static str) -> io::Result<()> {
        let Some(open) = self.open.get_mut(stream).filter(|open| open.count > 0) else { return Ok(()) };
        let header = Header::new(&self.plan_id, self.shard, stream, open.number, open.count);
        let content = format::encode(&header, &open.entries)?;
        let file = ExchangeFile {
            stream: stream.to_owned(),
            sha256: sha256(&content),
            bytes: content.len() as u64,
            entries: open.count,
        };
        open.entries.clear();
        (open.count, open.number) = (0, open.number + 1);
        let mut local = NamedTempFile::new_in(&self.dir)?;
        local.write_all(&content)?;
        self.done.push((file, local));
        Ok(())
    }
}
