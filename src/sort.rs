//! Sorting more than fits: entries in sorted runs on disk, merged as they are read. The crate `extsort` does the work;
//! here are the form of entries on disk and the order of ids.

use std::cmp::Ordering;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::Path;

use extsort::{ExternalSorter, PushExternalSorter, Sortable, SortedIterator};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An id in the order of the merge: plain UUIDs first, as every server sorts them, then all others by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
pub(crate) struct OrderedId {
    /// Not a plain UUID: servers sort it by their collation.
    pub odd: bool,
    /// The id as it is.
    pub id: String,
}

impl OrderedId {
    pub(crate) fn new(id: &str) -> Self {
        let hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
        let plain = id.len() == 36
            && id
                .bytes()
                .enumerate()
                .all(|(at, b)| if hyphen(at) { b == b'-' } else { matches!(b, b'0'..=b'9' | b'a'..=b'f') });
        Self { odd: !plain, id: id.to_owned() }
    }
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
pub(crate) trait InOrder: Serialize + DeserializeOwned + Send + 'static {
    fn compare(&self, other: &Self) -> Ordering;
}

impl InOrder for OrderedId {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

type Compare<T> = fn(&Stored<T>, &Stored<T>) -> Ordering;

/// Takes entries in any order and gives them back in theirs.
pub(crate) struct Sorter<T: InOrder> {
    sorter: PushExternalSorter<Stored<T>, Compare<T>>,
    kind: PhantomData<T>,
}

impl<T: InOrder> Sorter<T> {
    /// A sorter that keeps so many entries in memory before a run of them goes to disk, into this folder.
    pub(crate) fn new(run: usize, folder: Option<&Path>) -> Self {
        let compare: Compare<T> = |a, b| a.0.compare(&b.0);
        let sorter = ExternalSorter::new().with_segment_size(run.max(1));
        let sorter = folder.iter().fold(sorter, |sorter, folder| sorter.with_sort_dir(folder.to_path_buf()));
        Self { sorter: sorter.pushed_by(compare), kind: PhantomData }
    }

    pub(crate) fn push(&mut self, entry: T) -> io::Result<()> {
        self.sorter.push(Stored(entry))
    }

    pub(crate) fn done(self) -> io::Result<Sorted<T>> {
        Ok(Sorted(self.sorter.done()?))
    }
}

/// Entries in their order.
pub(crate) struct Sorted<T: InOrder>(SortedIterator<Stored<T>, Compare<T>>);

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
        let mut sorter = Sorter::new(1_000, None);
        let count = 2_010_u32;
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
