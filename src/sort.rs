//! Sorting more than fits: entries in sorted runs on disk, merged as they are read. The crate `extsort` does the work;
//! here are the form of entries on disk and the order of ids.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use extsort::{ExternalSorter, PushExternalSorter, Sortable, SortedIterator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tempfile::TempDir;
use uuid::Uuid;

/// How much is sorted in memory, and where the rest goes.
#[derive(Debug, Clone)]
pub struct SortSettings {
    /// Bytes of records that may wait in memory in all.
    pub memory: usize,
    /// The folder for what does not fit.
    pub folder: PathBuf,
}

/// An id in the order of the merge: plain UUIDs first, as every server sorts them, then all others by their characters.
///
/// A plain UUID is one in lower case with its hyphens; of it only the sixteen bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OrderedId {
    /// A plain UUID.
    Plain([u8; 16]),
    /// Anything else: servers sort it by their collation.
    Odd(String),
}

impl OrderedId {
    pub(crate) fn new(id: &str) -> Self {
        let hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
        let plain = id.len() == 36
            && id
                .bytes()
                .enumerate()
                .all(|(at, b)| if hyphen(at) { b == b'-' } else { matches!(b, b'0'..=b'9' | b'a'..=b'f') });
        match Uuid::try_parse(id) {
            Ok(uuid) if plain => Self::Plain(uuid.into_bytes()),
            _ => Self::Odd(id.to_owned()),
        }
    }

    pub(crate) const fn is_odd(&self) -> bool {
        matches!(self, Self::Odd(_))
    }

    /// The id as it is written.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Plain(bytes) => Cow::Owned(Uuid::from_bytes(*bytes).hyphenated().to_string()),
            Self::Odd(id) => Cow::Borrowed(id),
        }
    }
}

impl fmt::Display for OrderedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// What an id is on disk; for people it is its text.
#[derive(Serialize, Deserialize)]
enum Packed<'a> {
    Plain([u8; 16]),
    Odd(Cow<'a, str>),
}

impl Serialize for OrderedId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            _ if serializer.is_human_readable() => serializer.collect_str(self),
            Self::Plain(bytes) => Packed::Plain(*bytes).serialize(serializer),
            Self::Odd(id) => Packed::Odd(Cow::Borrowed(id)).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OrderedId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(Self::new(&String::deserialize(deserializer)?));
        }
        Ok(match Packed::deserialize(deserializer)? {
            Packed::Plain(bytes) => Self::Plain(bytes),
            Packed::Odd(id) => Self::Odd(id.into_owned()),
        })
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
/// How long a process may take between the making of a lock and holding it.
const YOUNG: Duration = Duration::from_secs(60);

impl Folder {
    /// A new folder in that one.
    ///
    /// # Errors
    /// It cannot be made there.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Self> {
        sweep(folder);
        let dir = tempfile::Builder::new().prefix(FOLDER).tempdir_in(folder)?;
        let lock = File::create(dir.path().join(LOCK))?;
        lock.try_lock().map_err(io::Error::other)?; // nobody else looks at one so young
        Ok(Self(Arc::new(Held { dir, _lock: lock })))
    }
}

/// Removes the folders of processes that are gone: nobody holds their lock.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(FOLDER));
        if ours && is_abandoned(&entry.path().join(LOCK)).unwrap_or(false) {
            tracing::info!("removing {}, which a killed process left", entry.path().display());
            let _ = std::fs::remove_dir_all(entry.path()); // somebody else's, or gone meanwhile
        }
    }
}

/// Whether nobody holds a lock any more. One so young may not be held yet: its maker is about to.
fn is_abandoned(lock: &Path) -> io::Result<bool> {
    let lock = open_lock(lock)?;
    let age = lock.metadata()?.modified()?.elapsed().unwrap_or_default();
    Ok(age >= YOUNG && lock.try_lock().is_ok())
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

/// Entries that go from thread to thread together.
const BATCH: usize = 1_000;
/// Batches on their way between two threads.
const ON_THE_WAY: usize = 2;

type Runner<T> = PushExternalSorter<Stored<T>, Compare<T>>;

/// Takes entries in any order and gives them back in theirs; more than a few are sorted in a thread of their own.
pub(crate) struct Sorter<T: InOrder> {
    batch: Vec<T>,
    work: Work<T>,
    runs: Option<Runs>,
}

/// Who sorts.
enum Work<T: InOrder> {
    /// Whoever pushes: there was no whole batch yet.
    Here(Box<Runner<T>>),
    Thread {
        to: SyncSender<Vec<T>>,
        thread: JoinHandle<io::Result<Runner<T>>>,
    },
    /// Nobody, after a failure.
    Over,
}

/// Where a sorter's runs lie.
struct Runs {
    _dir: TempDir,
    _folder: Folder,
}

impl<T: InOrder> Sorter<T> {
    /// A sorter that keeps so many entries in memory before a run of them goes to disk, in the system's folder for such.
    #[cfg(test)]
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
        Self { batch: Vec::new(), work: Work::Here(Box::new(sorter.pushed_by(compare))), runs }
    }

    /// Takes an entry; waits where the sorting cannot keep up.
    ///
    /// # Errors
    /// A run cannot be written.
    pub(crate) fn push(&mut self, entry: T) -> io::Result<()> {
        self.batch.push(entry);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.work = match std::mem::replace(&mut self.work, Work::Over) {
            Work::Here(sorter) => {
                let (to, from) = sync_channel(ON_THE_WAY);
                let thread = std::thread::Builder::new().name("sort".into()).spawn(move || sort(*sorter, &from))?;
                Work::Thread { to, thread }
            }
            other => other,
        };
        let sent = match &self.work {
            Work::Thread { to, .. } => to.send(batch).is_ok(),
            Work::Here(_) | Work::Over => false,
        };
        // The thread has ended before its time: it says why.
        if sent { Ok(()) } else { self.runner().map(drop) }
    }

    /// The sorter with all that was sent to it, once it has that.
    fn runner(&mut self) -> io::Result<Runner<T>> {
        match std::mem::replace(&mut self.work, Work::Over) {
            Work::Here(sorter) => Ok(*sorter),
            Work::Thread { to, thread } => {
                drop(to);
                thread.join().unwrap_or_else(|_| Err(io::Error::other("the sorting broke off")))
            }
            Work::Over => Err(io::Error::other("the sorting failed before")),
        }
    }

    /// Ends taking.
    ///
    /// # Errors
    /// A run cannot be written or read back.
    pub(crate) fn done(mut self) -> io::Result<Sorted<T>> {
        let mut sorter = self.runner()?;
        self.batch.drain(..).try_for_each(|entry| sorter.push(Stored(entry)))?;
        let entries = sorter.done()?;
        let source =
            if entries.sorted_count() > BATCH as u64 { Source::ahead(entries)? } else { Source::Here(entries) };
        Ok(Sorted { source, _runs: self.runs })
    }
}

/// Sorts what comes, until no more does.
fn sort<T: InOrder>(mut sorter: Runner<T>, from: &Receiver<Vec<T>>) -> io::Result<Runner<T>> {
    for batch in from {
        batch.into_iter().try_for_each(|entry| sorter.push(Stored(entry)))?;
    }
    Ok(sorter)
}

/// Entries in their order; more than a few are read back from disk by a thread of its own, ahead of whoever takes them.
pub(crate) struct Sorted<T: InOrder> {
    source: Source<T>,
    // After the source: its thread reads there.
    _runs: Option<Runs>,
}

enum Source<T: InOrder> {
    Here(SortedIterator<Stored<T>, Compare<T>>),
    Ahead {
        batch: std::vec::IntoIter<T>,
        /// `None` once all has come, or a failure.
        from: Option<Receiver<io::Result<Vec<T>>>>,
        thread: Option<JoinHandle<()>>,
    },
}

impl<T: InOrder> Source<T> {
    fn ahead(mut entries: SortedIterator<Stored<T>, Compare<T>>) -> io::Result<Self> {
        let (to, from) = sync_channel(ON_THE_WAY);
        let read = move || {
            loop {
                let batch: io::Result<Vec<T>> = entries.by_ref().take(BATCH).map(|entry| Ok(entry?.0)).collect();
                let last = batch.as_ref().map_or(true, |batch| batch.len() < BATCH);
                if to.send(batch).is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("sorted".into()).spawn(read)?;
        Ok(Self::Ahead { batch: Vec::new().into_iter(), from: Some(from), thread: Some(thread) })
    }
}

impl<T: InOrder> Drop for Source<T> {
    fn drop(&mut self) {
        if let Self::Ahead { from, thread, .. } = self {
            drop(from.take());
            // It ends with its next batch; a panic of its own was told as a broken channel.
            drop(thread.take().map(JoinHandle::join));
        }
    }
}

impl<T: InOrder> Iterator for Sorted<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Here(entries) => Some(entries.next()?.map(|entry| entry.0)),
            Source::Ahead { batch, from, .. } => {
                if batch.len() == 0 {
                    match from.as_ref()?.recv() {
                        Ok(Ok(more)) => {
                            if more.len() < BATCH {
                                *from = None;
                            }
                            *batch = more.into_iter();
                        }
                        Ok(Err(e)) => {
                            *from = None;
                            return Some(Err(e));
                        }
                        Err(_) => {
                            *from = None;
                            return Some(Err(io::Error::other("the reading of sorted runs broke off")));
                        }
                    }
                }
                batch.next().map(Ok)
            }
        }
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
    fn a_disk_that_fails_in_the_midst_is_said_and_nobody_waits_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::in_folder(home.path()).unwrap();
        let ids = || (0..).map(|n| OrderedId::new(&format!("{n:08x}")));
        let mut sorter = Sorter::in_folder(100, &folder).unwrap();
        std::fs::remove_dir_all(sorter.runs.as_ref().unwrap()._dir.path()).unwrap();
        let failed = ids().take(1_000_000).find_map(|id| sorter.push(id).err()).unwrap();
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
        assert!(sorter.done().is_err(), "what is missing is never taken for all");
        // Who reads no further stops the reading, whose folder then goes.
        let mut sorter = Sorter::in_folder(100, &folder).unwrap();
        ids().take(50_000).for_each(|id| sorter.push(id).unwrap());
        let mut sorted = sorter.done().unwrap();
        assert!(sorted.next().unwrap().is_ok());
        drop((sorted, folder));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn runs_lie_in_their_folder_and_go_with_the_sorter_and_a_dead_process_s_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let left = home.path().join(".ruminate-sort-dead");
        std::fs::create_dir(&left).unwrap();
        let lock = File::create(left.join(LOCK)).unwrap();
        drop(Folder::in_folder(home.path()).unwrap());
        assert!(left.exists(), "another process may be about to lock it");
        let earlier = |lock: &File| lock.set_modified(std::time::SystemTime::now() - YOUNG).unwrap();
        earlier(&lock);
        let folder = Folder::in_folder(home.path()).unwrap();
        earlier(&folder.0._lock);
        let other = Folder::in_folder(home.path()).unwrap();
        assert!(!left.exists() && folder.0.dir.path().exists());
        let mut sorter = Sorter::in_folder(10, &folder).unwrap();
        (0..100).rev().for_each(|n| sorter.push(OrderedId::new(&format!("{n:08x}"))).unwrap());
        let runs = sorter.runs.as_ref().unwrap()._dir.path().to_path_buf();
        drop((folder, other));
        let sorted = sorter.done().unwrap();
        assert!(std::fs::read_dir(&runs).unwrap().count() > 5);
        let sorted: Vec<_> = sorted.map(|id| id.unwrap()).collect();
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

    #[test]
    fn an_id_comes_back_as_it_was_written_whatever_holds_it() {
        for text in ["01856aa0-c800-883a-837a-29fe66bbec99", "01856AA0-C800-883A-837A-29FE66BBEC99", "x ", ""] {
            let id = OrderedId::new(text);
            assert_eq!((id.text().as_ref(), id.is_odd()), (text, !text.starts_with("01856a")));
            let packed = postcard::to_stdvec(&id).unwrap();
            assert_eq!(postcard::from_bytes::<OrderedId>(&packed).unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<OrderedId>(&json).unwrap(), id);
        }
        let plain = OrderedId::new("01856aa0-c800-883a-837a-29fe66bbec99");
        assert_eq!(postcard::to_stdvec(&plain).unwrap().len(), 17);
    }
}
