//! The journal of a run: which messages are settled, on disk, so that a run that ends in any way can go on.
//!
//! A small file, written anew every second under a temporary name and renamed. `kill -9` forgets a second at most, and what is sent
//! again then has the same id, so that nothing is doubled. A run that comes to its end takes its journal away.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Source;
use pipeline::atomic_file::{folder_of, temp_file_beside};
use pipeline::hex::hex;

/// How often it is written.
const EVERY: Duration = Duration::from_secs(1);

/// Which messages are settled, by how many were read before each: all below a mark, and ranges above it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CompletedRanges {
    /// All below are settled.
    below: u64,
    /// First → one past the last; they neither touch nor overlap, nor reach down to the mark.
    above: BTreeMap<u64, u64>,
}

impl CompletedRanges {
    /// All below a mark.
    pub(super) fn below(mark: u64) -> Self {
        Self { below: mark, above: BTreeMap::new() }
    }

    /// Whether that message is settled.
    pub(super) fn contains(&self, index: u64) -> bool {
        index < self.below || self.above.range(..=index).next_back().is_some_and(|(_, &end)| index < end)
    }

    /// That message is settled.
    pub(super) fn insert(&mut self, index: u64) {
        if self.contains(index) {
            return;
        }
        let (mut begin, mut end) = (index, index + 1);
        if let Some((&first, _)) = self.above.range(..index).next_back().filter(|&(_, &last)| last == index) {
            self.above.remove(&first);
            begin = first;
        }
        if let Some(last) = self.above.remove(&end) {
            end = last;
        }
        if begin == self.below { self.below = end } else { _ = self.above.insert(begin, end) }
    }

    /// How many are settled.
    pub(super) fn count(&self) -> u64 {
        self.below + self.above.iter().map(|(begin, end)| end - begin).sum::<u64>()
    }

    /// The first one that is not.
    pub(super) fn first_incomplete(&self) -> u64 {
        self.below
    }
}

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
struct JournalFile {
    ruminate_publish_journal: u32,
    /// What is published, and where to; a run that goes on must have the same.
    of: RunIdentity,
    #[serde(rename = "settled")]
    completed: CompletedRanges,
}

/// What a run is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunIdentity {
    topic: String,
    source: Vec<String>,
}

impl RunIdentity {
    /// The topic, and the source as it is now: files with size and time of change, or the words of a generated history.
    pub(super) fn new(topic: &str, source: &Source) -> Self {
        Self { topic: topic.to_owned(), source: source.identity() }
    }

    /// A name that files of another run do not have.
    fn digest(&self) -> String {
        let names = self.source.iter().map(|one| one.split('\t').next().unwrap_or(one));
        let text = names.fold(self.topic.clone(), |text, name| text + "\n" + name);
        hex(&Sha256::digest(text))[..16].to_owned()
    }
}

/// Whether an earlier run is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resume {
    /// No: everything is published; a journal that is there is begun anew.
    #[default]
    No,
    /// Yes: what it settled is passed over.
    Yes,
}

/// Where a run keeps its journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum JournalLocation {
    /// Nowhere.
    #[default]
    Disabled,
    /// In this file.
    File(PathBuf),
    /// In this folder, in a file of the run's own.
    Folder(PathBuf),
}

/// The journal of a run under way.
#[derive(Debug)]
pub(super) struct Journal {
    path: Option<PathBuf>,
    held: JournalFile,
    written: Instant,
    warned: bool,
}

impl Journal {
    /// Opens the journal of a run; with [`Resume::Yes`] it goes on from what is there.
    ///
    /// # Errors
    /// There is nothing to go on with, it is another run's, a file has changed since, or the place cannot be written.
    pub(super) fn open(place: &JournalLocation, of: RunIdentity, resume: Resume, skip: u64) -> anyhow::Result<Self> {
        let path = match place {
            JournalLocation::Disabled => None,
            JournalLocation::File(path) => Some(path.clone()),
            JournalLocation::Folder(dir) => Some(dir.join(format!("publish-{}.json", of.digest()))),
        };
        let mut held = JournalFile { ruminate_publish_journal: 1, of, completed: CompletedRanges::below(skip) };
        let Some(path) = path else {
            anyhow::ensure!(resume == Resume::No, "--resume needs a journal, and this run keeps none: use --skip");
            return Ok(Self { path: None, held, written: Instant::now(), warned: false });
        };
        let there = match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(anyhow::Error::new(e).context(format!("journal {}", path.display()))),
        };
        match (resume, there) {
            (Resume::No, None) => {}
            (Resume::No, Some(bytes)) => {
                if let Ok(earlier) = serde_json::from_slice::<JournalFile>(&bytes) {
                    tracing::warn!(
                        "an earlier run of this stopped after {} messages; this one begins anew (--resume would go on)",
                        earlier.completed.count()
                    );
                }
            }
            (Resume::Yes, None) => anyhow::bail!(
                "there is nothing to resume: no journal {} (a run that came to its end takes its journal away)",
                path.display()
            ),
            (Resume::Yes, Some(bytes)) => {
                let earlier: JournalFile = serde_json::from_slice(&bytes)
                    .with_context(|| format!("journal {} is damaged: go on with --skip", path.display()))?;
                anyhow::ensure!(earlier.of.topic == held.of.topic, "the journal is of topic {}", earlier.of.topic);
                let mut changed = earlier.of.source.iter().zip(&held.of.source).filter(|(was, is)| was != is);
                if let Some((was, is)) = changed.next() {
                    anyhow::bail!(
                        "what is published has changed since: it was {}, and is {}; run without --resume, or, where what was \
                         sent still stands in front, with --skip {}",
                        was.replace('\t', " "),
                        is.replace('\t', " "),
                        earlier.completed.first_incomplete()
                    );
                }
                anyhow::ensure!(
                    earlier.of.source.len() == held.of.source.len(),
                    "the run was of {} files, and these are {}",
                    earlier.of.source.len(),
                    held.of.source.len()
                );
                held = earlier;
            }
        }
        std::fs::create_dir_all(folder_of(&path)).with_context(|| format!("journal {}", path.display()))?;
        let journal = Self { path: Some(path), held, written: Instant::now(), warned: false };
        journal.write()?;
        Ok(journal)
    }

    /// What was settled before this run began, or has been since.
    pub(super) fn completed(&self) -> &CompletedRanges {
        &self.held.completed
    }

    /// That message is settled.
    pub(super) fn mark_done(&mut self, index: u64) {
        self.held.completed.insert(index);
    }

    /// Writes what is settled, if that was not done for a while. A disk that is full does not stop the run.
    pub(super) fn save_if_due(&mut self) {
        if self.written.elapsed() >= EVERY {
            self.save();
        }
    }

    fn save(&mut self) {
        self.written = Instant::now();
        if let Err(e) = self.write()
            && !std::mem::replace(&mut self.warned, true)
        {
            tracing::warn!("{e:#}: if this run is killed, it goes on from further back");
        }
    }

    fn write(&self) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let written = temp_file_beside(path).and_then(|mut half| {
            half.write_all(&serde_json::to_vec(&self.held)?)?;
            half.write_all(b"\n")?;
            half.persist(path).map_err(|e| e.error)
        });
        written.map(drop).with_context(|| format!("journal {}", path.display()))
    }

    /// The run has come to its end, or has stopped; tells where the journal is, if there is one to go on with.
    pub(super) fn close(mut self, ended: bool) -> Option<PathBuf> {
        if !ended {
            self.save();
            return self.path;
        }
        if let Some(path) = &self.path
            && let Err(e) = std::fs::remove_file(path)
        {
            tracing::warn!("journal {}: {e}", path.display());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn ranges_hold_what_was_put_in_in_any_order() {
        let mut indexes: Vec<u64> = (0..200).filter(|n| n % 7 != 3).collect();
        indexes.sort_by_key(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40);
        let mut ranges = CompletedRanges::default();
        for &index in &indexes {
            ranges.insert(index);
            ranges.insert(index);
        }
        assert_eq!((ranges.count(), ranges.first_incomplete()), (indexes.len() as u64, 3));
        assert!((0..220).all(|n| ranges.contains(n) == (n < 200 && n % 7 != 3)));
        (0..200).for_each(|n| ranges.insert(n));
        assert_eq!(ranges, CompletedRanges::below(200));
    }

    fn of(home: &Path, content: &str) -> (RunIdentity, JournalLocation) {
        let path = home.join("in.json");
        std::fs::write(&path, content).unwrap();
        let source = Source::Files { paths: vec![path], format: None };
        (RunIdentity::new("t", &source), JournalLocation::Folder(home.join("state")))
    }

    #[test]
    fn a_run_goes_on_only_with_what_it_was_of() {
        let home = tempfile::tempdir().unwrap();
        let (one, place) = of(home.path(), "x");
        let open = |of: &RunIdentity, resume| Journal::open(&place, of.clone(), resume, 0);
        let refused = open(&one, Resume::Yes).unwrap_err().to_string();
        assert!(refused.contains("nothing to resume"), "{refused}");
        let mut journal = open(&one, Resume::No).unwrap();
        journal.mark_done(0);
        journal.mark_done(2);
        let path = journal.close(false).unwrap();
        let again = open(&one, Resume::Yes).unwrap();
        assert!([0, 2].iter().all(|&n| again.completed().contains(n)) && !again.completed().contains(1));
        let (other, _) = of(home.path(), "changed");
        let refused = open(&other, Resume::Yes).unwrap_err().to_string();
        assert!(refused.contains("has changed since"), "{refused}");
        std::fs::write(&path, "{").unwrap();
        assert!(open(&one, Resume::Yes).unwrap_err().to_string().contains("--skip"));
        let anew = open(&one, Resume::No).unwrap();
        assert_eq!(anew.completed().count(), 0);
        assert_eq!(anew.close(true), None);
        assert!(!path.exists(), "a run that ended leaves nothing");
    }
}
