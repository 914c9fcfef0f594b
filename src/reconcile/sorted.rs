//! Sorting more than fits: entries in sorted runs on disk, merged as they are read. The crate `extsort` does the work;
//! here are the entries and their order.

use std::cmp::Ordering;
use std::io::{self, Read, Write};
use std::marker::PhantomData;

use extsort::{ExternalSorter, PushExternalSorter, Sortable, SortedIterator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::Record;

/// Entries kept in memory before a run goes to disk; an entry of the lake takes some 700 bytes.
const RUN: usize = 50_000;

/// An id in the order of the merge: plain UUIDs first, as every server sorts them, then all others by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
pub(super) struct OrderedId {
    /// Not a plain UUID: servers sort it by their collation.
    pub odd: bool,
    pub id: String,
}

impl OrderedId {
    pub(super) fn new(id: &str) -> Self {
        let hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
        let plain = id.len() == 36
            && id
                .bytes()
                .enumerate()
                .all(|(at, b)| if hyphen(at) { b == b'-' } else { matches!(b, b'0'..=b'9' | b'a'..=b'f') });
        Self { odd: !plain, id: id.to_owned() }
    }
}

/// What the lake has under an id: a record, or a name whose object could not be judged.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub(super) struct LakeEntry {
    pub id: OrderedId,
    pub key: String,
    pub record: Option<Record>,
}

/// A natural key's hash, with an id and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
pub(super) struct NaturalEntry {
    pub hash: [u8; 16],
    pub id: String,
    pub key: Option<String>,
}

/// An entry on disk: its length, then its bytes.
struct Stored<T>(T);

impl<T: Serialize + DeserializeOwned + Send> Sortable for Stored<T> {
    fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let bytes = postcard::to_stdvec(&self.0).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        writer.write_all(&length.to_le_bytes())?;
        writer.write_all(&bytes)
    }

    fn decode<R: Read>(reader: &mut R) -> io::Result<Self> {
        let mut length = [0; 4];
        reader.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        reader.read_exact(&mut bytes)?;
        postcard::from_bytes(&bytes).map(Self).map_err(io::Error::other)
    }
}

/// How entries compare.
pub(super) trait InOrder: Serialize + DeserializeOwned + Send + 'static {
    fn compare(&self, other: &Self) -> Ordering;
}

impl InOrder for LakeEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then_with(|| self.key.cmp(&other.key))
    }
}

impl InOrder for NaturalEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl InOrder for OrderedId {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

type Compare<T> = fn(&Stored<T>, &Stored<T>) -> Ordering;

/// Takes entries in any order and gives them back in theirs.
pub(super) struct Sorter<T: InOrder> {
    sorter: PushExternalSorter<Stored<T>, Compare<T>>,
    kind: PhantomData<T>,
}

impl<T: InOrder> Sorter<T> {
    pub(super) fn new() -> Self {
        let compare: Compare<T> = |a, b| a.0.compare(&b.0);
        Self { sorter: ExternalSorter::new().with_segment_size(RUN).pushed_by(compare), kind: PhantomData }
    }

    pub(super) fn push(&mut self, entry: T) -> io::Result<()> {
        self.sorter.push(Stored(entry))
    }

    pub(super) fn done(self) -> io::Result<Sorted<T>> {
        Ok(Sorted(self.sorter.done()?))
    }
}

/// Entries in their order.
pub(super) struct Sorted<T: InOrder>(SortedIterator<Stored<T>, Compare<T>>);

impl<T: InOrder> Iterator for Sorted<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|entry| entry.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_run_comes_back_in_order() {
        let mut sorter = Sorter::new();
        let count = RUN as u32 * 2 + 10;
        for n in 0..count {
            sorter.push(OrderedId::new(&format!("{:08x}", n.wrapping_mul(2_654_435_761)))).unwrap();
        }
        let sorted: Vec<OrderedId> = sorter.done().unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(sorted.len(), count as usize);
        assert!(sorted.is_sorted());
    }

    #[test]
    fn plain_uuids_come_before_all_others() {
        let plain = OrderedId::new("ffffffff-ffff-8fff-bfff-ffffffffffff");
        for odd in ["", "1", "0FFFFFFF-FFFF-8FFF-BFFF-FFFFFFFFFFFF", "00000000-0000-0000-0000-00000000000 "] {
            assert!(plain < OrderedId::new(odd), "{odd}");
        }
    }
}
