//! Sorting more than fits: entries in sorted runs on disk, merged as they are read. The crate `extsort` does the work;
//! here are the form of entries on disk and the order of ids.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use extsort::{ExternalSorter, PushExternalSorter, Sortable, SortedIterator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

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

/// A folder for runs, which goes away with its last sorter; what a killed process left of its own is swept away.
#[derive(Debug, Clone)]
pub(crate) struct Folder(Arc<Held>);

#[derive(Debug)]
struct Held {
    dir: TempDir,
    /// Locked while this process lives.
    _lock: File,
}

const FOLDER: &str = ".ruminate-sort-";
const LOCK: &str = "lock";

impl Folder {
    /// A new folder in that one.
    ///
    /// # Errors
    /// It cannot be made there.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Self> {
        sweep(folder);
        let dir = tempfile::Builder::new().prefix(FOLDER).tempdir_in(folder)?;
        let lock = File::create(dir.path().join(LOCK))?;
        lock.try_lock().map_err(io::Error::other)?;
        Ok(Self(Arc::new(Held { dir, _lock: lock })))
    }
}

/// Removes the folders of processes that are gone: nobody holds their lock.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(FOLDER));
        let abandoned = || open_lock(&entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if ours && abandoned() {
            tracing::info!("removing {}, which a killed process left", entry.path().display());
            let _ = std::fs::remove_dir_all(entry.path()); // somebody else's, or gone meanwhile
        }
    }
}

/// Opens a lock that may be anybody's: a plain file, nothing that leads elsewhere or makes its opener wait.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let lock = options.open(path)?;
    match lock.metadata()?.is_file() {
        true => Ok(lock),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "no plain file")),
    }
}

/// Takes entries in any order and gives them back in theirs.
pub(crate) struct Sorter<T: InOrder> {
    sorter: PushExternalSorter<Stored<T>, Compare<T>>,
    runs: Option<Runs>,
}

/// Where a sorter's runs lie.
struct Runs {
    _dir: TempDir,
    _folder: Folder,
}

impl<T: InOrder> Sorter<T> {
    /// A sorter that keeps so many entries in memory before a run of them goes to disk, in the system's folder for such.
    pub(crate) fn new(run: usize) -> Self {
        Self::with(run, None)
    }

    /// The same with its runs in that folder.
    ///
    /// # Errors
    /// Nothing can be made there.
    pub(crate) fn in_folder(run: usize, folder: &Folder) -> io::Result<Self> {
        let dir = TempDir::new_in(folder.0.dir.path())?;
        Ok(Self::with(run, Some(Runs { _dir: dir, _folder: folder.clone() })))
    }

    fn with(run: usize, runs: Option<Runs>) -> Self {
        let compare: Compare<T> = |a, b| a.0.compare(&b.0);
        let sorter = ExternalSorter::new().with_segment_size(run.max(1));
        let sorter = runs.iter().fold(sorter, |sorter, runs| sorter.with_sort_dir(runs._dir.path().to_path_buf()));
        Self { sorter: sorter.pushed_by(compare), runs }
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// A run cannot be written.
    pub(crate) fn push(&mut self, entry: T) -> io::Result<()> {
        self.sorter.push(Stored(entry))
    }

    /// Ends taking.
    ///
    /// # Errors
    /// A run cannot be written or read back.
    pub(crate) fn done(self) -> io::Result<Sorted<T>> {
        Ok(Sorted { entries: self.sorter.done()?, _runs: self.runs })
    }
}

/// Entries in their order.
pub(crate) struct Sorted<T: InOrder> {
    entries: SortedIterator<Stored<T>, Compare<T>>,
    _runs: Option<Runs>,
}

impl<T: InOrder> Iterator for Sorted<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.entries.next()?.map(|entry| entry.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_run_comes_back_in_order() {
        let mut sorter = Sorter::new(1_000);
        let count = 2_010_u32;
        for n in 0..count {
            sorter.push(OrderedId::new(&format!("{:08x}", n.wrapping_mul(2_654_435_761)))).unwrap();
        }
        let sorted: Vec<OrderedId> = sorter.done().unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(sorted.len(), count as usize);
        assert!(sorted.is_sorted());
    }

    #[test]
    fn runs_lie_in_their_folder_and_go_with_the_sorter_and_a_dead_process_s_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let left = home.path().join(".ruminate-sort-dead");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join(LOCK), "").unwrap();
        let folder = Folder::in_folder(home.path()).unwrap();
        let other = Folder::in_folder(home.path()).unwrap();
        assert!(!left.exists() && folder.0.dir.path().exists());
        let mut sorter = Sorter::in_folder(10, &folder).unwrap();
        (0..100).rev().for_each(|n| sorter.push(OrderedId::new(&format!("{n:08x}"))).unwrap());
        let runs = sorter.runs.as_ref().unwrap()._dir.path().to_path_buf();
        assert!(std::fs::read_dir(&runs).unwrap().count() > 5);
        drop((folder, other));
        let sorted: Vec<_> = sorter.done().unwrap().map(|id| id.unwrap().id).collect();
        assert!(sorted.is_sorted() && sorted.len() == 100);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_a_lock_hangs_nobody() {
        let home = tempfile::tempdir().unwrap();
        let other = home.path().join(".ruminate-sort-other");
        std::fs::create_dir(&other).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(other.join(LOCK)).status().unwrap().success());
        let (done, ended) = std::sync::mpsc::channel();
        let folder = home.path().to_path_buf();
        std::thread::spawn(move || done.send(Folder::in_folder(&folder).map(drop)));
        ended.recv_timeout(std::time::Duration::from_secs(10)).expect("it does not wait for a writer").unwrap();
        assert!(other.exists(), "what is no lock tells nothing of its process");
    }

    #[test]
    fn plain_uuids_come_before_all_others() {
        let plain = OrderedId::new("ffffffff-ffff-8fff-bfff-ffffffffffff");
        for odd in ["", "1", "0FFFFFFF-FFFF-8FFF-BFFF-FFFFFFFFFFFF", "00000000-0000-0000-0000-00000000000 "] {
            assert!(plain < OrderedId::new(odd), "{odd}");
        }
    }
}
