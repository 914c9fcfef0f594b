//! Index of an inventory: its objects in key order in a temporary file, with the position of each partition.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use super::entry::InventoryEntry;
use pipeline::lake::Partition;

/// Number of objects of a page.
const PAGE: u64 = 1_000;

/// Position of a partition's objects.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    offset: u64,
    objects: u64,
    /// Whether an object is archived; only a listing shows if it is restored.
    has_archived: bool,
}

/// Index of an inventory.
#[derive(Debug)]
pub(super) struct Index {
    file: Mutex<File>,
    places: HashMap<Partition, Place>,
    objects: u64,
}

/// Objects of a page, and where the next one starts.
pub(super) struct Page {
    pub entries: Vec<InventoryEntry>,
    /// Start of the next page: a number of objects and an offset; `None` after the last page.
    pub next: Option<(u64, u64)>,
}

/// Builder of an index, from objects in key order.
pub(super) struct IndexBuilder {
    out: BufWriter<File>,
    offset: u64,
    places: HashMap<Partition, Place>,
    objects: u64,
}

impl IndexBuilder {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { out: BufWriter::new(tempfile::tempfile()?), offset: 0, places: HashMap::new(), objects: 0 })
    }

    /// Adds the next object. Objects outside of partitions are ignored, because they are listed.
    pub(super) fn push(&mut self, entry: InventoryEntry) -> io::Result<()> {
        self.objects += 1;
        let Some(partition) = Partition::of_key(&entry.key) else { return Ok(()) };
        let offset = self.offset;
        let place = self.places.entry(partition).or_insert(Place { offset, ..Place::default() });
        place.objects += 1;
        place.has_archived |= entry.is_archived();
        let bytes = postcard::to_stdvec(&entry).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&bytes)?;
        self.offset += 4 + u64::from(length);
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Index> {
        let Self { out, places, objects, .. } = self;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Index { file: Mutex::new(file), places, objects })
    }
}

impl Index {
    /// Returns the number of objects of the lake.
    pub(super) fn objects(&self) -> u64 {
        self.objects
    }

    /// Returns true if the objects of a partition can be taken from it.
    pub(super) fn has(&self, partition: &Partition) -> bool {
        self.places.get(partition).is_some_and(|place| !place.has_archived)
    }

    /// Returns a page of a partition's objects, from the start of the partition or after another page.
    pub(super) fn page(&self, partition: &Partition, from: Option<(u64, u64)>) -> io::Result<Page> {
        let Some(place) = self.places.get(partition) else { return Ok(Page { entries: Vec::new(), next: None }) };
        let (done, offset) = from.unwrap_or((0, place.offset));
        let count = PAGE.min(place.objects.saturating_sub(done));
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        let mut read = BufReader::new(&*file);
        let (mut entries, mut at) = (Vec::new(), offset);
        for _ in 0..count {
            let mut length = [0; 4];
            read.read_exact(&mut length)?;
            let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
            read.read_exact(&mut bytes)?;
            at += 4 + bytes.len() as u64;
            entries.push(postcard::from_bytes(&bytes).map_err(io::Error::other)?);
        }
        let done = done + count;
        Ok(Page { entries, next: (done < place.objects).then_some((done, at)) })
    }
}
