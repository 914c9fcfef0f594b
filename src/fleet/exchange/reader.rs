//! Reads the exchange files of all shards, and checks each before its entries are used.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use async_trait::async_trait;
use futures::stream::{self, StreamExt};

use super::{ExchangeFile, format};
use crate::exchange::{EachEntry, ExchangeReader};
use crate::fleet::plan::{Run, sha256};

/// Number of files that are fetched ahead.
const AHEAD: usize = 8;

/// Exchange files of all shards of a run.
pub(in crate::fleet) struct RunExchange {
    run: Run,
    /// Files by shard, in the order in which they were written.
    files: BTreeMap<u32, Vec<ExchangeFile>>,
}

impl RunExchange {
    pub(in crate::fleet) fn new(run: Run, files: BTreeMap<u32, Vec<ExchangeFile>>) -> Self {
        Self { run, files }
    }

    /// Calls `each` with the entries of a file.
    fn read_file(
        &self,
        (shard, number): (u32, u32),
        file: &ExchangeFile,
        content: Option<bytes::Bytes>,
        each: &mut EachEntry<'_>,
    ) -> anyhow::Result<()> {
        let (address, name) = (self.run.store.address(), file.name(shard));
        let again = || self.run.repeat_shard(shard);
        let Some(content) = content else {
            bail!("{name} of the run {address} is missing, but the outcome of shard {shard} lists it: {}", again());
        };
        ensure!(
            content.len() as u64 == file.bytes && sha256(&content) == file.sha256,
            "{name} of the run {address} is not the file that shard {shard} wrote ({} of {} bytes): {}",
            content.len(),
            file.bytes,
            again()
        );
        let header = format::Header::new(&self.run.plan_id, shard, &file.stream, number, file.entries);
        let Some(mut decoded) = format::decode(&content).filter(|decoded| decoded.header == header) else {
            bail!("{name} of the run {address} belongs to another plan, shard or version: {}", again());
        };
        let mut entries = 0;
        while let Some(entry) = decoded.next() {
            each(shard, entry)?;
            entries += 1;
        }
        ensure!(
            entries == file.entries && decoded.is_read(),
            "{name} of the run {address} has {entries} of {} entries: {}",
            file.entries,
            again()
        );
        Ok(())
    }
}

#[async_trait]
impl ExchangeReader for RunExchange {
    async fn read(&self, stream: &'static str, shards: &[u32], each: &mut EachEntry<'_>) -> anyhow::Result<()> {
        let of_shard = |shard: &u32| {
            let files = self.files.get(shard).map(Vec::as_slice).unwrap_or_default();
            let of_stream = files.iter().filter(move |file| file.stream == stream);
            let shard = *shard;
            (0..).zip(of_stream.cloned()).map(move |(number, file)| (shard, number, file)).collect::<Vec<_>>()
        };
        let files: Vec<(u32, u32, ExchangeFile)> = shards.iter().flat_map(of_shard).collect();
        let fetched = stream::iter(files).map(|(shard, number, file)| {
            let store = self.run.store.clone();
            async move {
                let content = store.read(&file.name(shard)).await;
                ((shard, number), file, content)
            }
        });
        let mut fetched = std::pin::pin!(fetched.buffered(AHEAD));
        while let Some((place, file, content)) = fetched.next().await {
            self.read_file(place, &file, content?, each)?;
        }
        Ok(())
    }
}
