//! Exchange in memory, for tests.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{EachEntry, ExchangeReader, ExchangeWriter};

/// Entries by shard and stream.
type Entries = BTreeMap<(u32, &'static str), Vec<Vec<u8>>>;

/// Entries of all shards in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Entries>>);

impl Memory {
    /// Returns the writer of a shard.
    pub(crate) fn shard(&self, shard: u32) -> Box<dyn ExchangeWriter> {
        Box::new(MemoryShard { of: self.clone(), shard })
    }

    /// Returns the number of entries in a stream of all shards.
    pub(crate) fn count(&self, stream: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|((_, name), _)| *name == stream).map(|(_, entries)| entries.len()).sum()
    }
}

struct MemoryShard {
    of: Memory,
    shard: u32,
}

impl ExchangeWriter for MemoryShard {
    fn write(&mut self, stream: &'static str, entry: &[u8]) -> io::Result<()> {
        self.of.0.lock().unwrap().entry((self.shard, stream)).or_default().push(entry.to_vec());
        Ok(())
    }
}

#[async_trait]
impl ExchangeReader for Memory {
    async fn read(&self, stream: &'static str, shards: &[u32], each: &mut EachEntry<'_>) -> anyhow::Result<()> {
        for shard in shards {
            let entries = self.0.lock().unwrap().get(&(*shard, stream)).cloned().unwrap_or_default();
            entries.iter().try_for_each(|entry| each(*shard, entry))?;
        }
        Ok(())
    }
}
