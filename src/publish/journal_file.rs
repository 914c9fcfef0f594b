//! The journal of a publish run, a file: which messages are completed, so that any interrupted run can be resumed. The
//! journal of a replay is in the warehouse (`replay/journal_entries.rs`).
//!
//! A small file, rewritten every second under a temporary name and renamed. `kill -9` loses at most the last second.
//! Messages sent again after it have the same id, so nothing is stored twice. A run that completes deletes its journal.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Source;
use crate::outcome::{count, counted};
use pipeline::atomic_file::{folder_of, temp_file_next_to};
use pipeline::hex::hex;

/// Version of the journal file that this program writes, and the only one it reads.
const VERSION: u32 = 2;

/// Interval between two writes of the journal.
const EVERY: Duration = Duration::from_secs(1);

/// Completed messages by index (the number of messages read before each): all below a mark, and ranges above it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CompletedRanges {
    /// All indexes below this one are completed.
    below: u64,
    /// Completed ranges above the mark: first index → one past the last. They neither touch nor overlap, nor touch the
    /// mark.
    above: BTreeMap<u64, u64>,
}

impl CompletedRanges {
    /// Returns a set with all messages below `mark` completed.
    pub(super) fn below(mark: u64) -> Self {
        Self { below: mark, above: BTreeMap::new() }
    }

    /// Returns true if the ranges are in order, and neither touch nor overlap.
    fn is_valid(&self) -> bool {
        let mut last = self.below;
        self.above.iter().all(|(&begin, &end)| {
            let is_after = last < begin && begin < end;
            last = end;
            is_after
        })
    }

    /// Returns true if that message is completed.
    pub(super) fn contains(&self, index: u64) -> bool {
        index < self.below || self.above.range(..=index).next_back().is_some_and(|(_, &end)| index < end)
    }

    /// Marks that message as completed.
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

    /// Returns the number of completed messages.
    pub(super) fn count(&self) -> u64 {
        self.below + self.above.iter().map(|(begin, end)| end - begin).sum::<u64>()
    }

    /// Returns the index of the first message that is not completed.
    pub(super) fn first_incomplete(&self) -> u64 {
        self.below
    }
}

/// Content of the journal file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalFile {
    ruminate_publish_journal: u32,
    /// What is published, and to which topic. A resumed run must have the same.
    run: RunIdentity,
    completed: CompletedRanges,
}

impl JournalFile {
    /// Reads a journal file of this version.
    ///
    /// # Errors
    ///
    /// Returns an error if it has another version, or is damaged.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            ruminate_publish_journal: u32,
        }
        let written = serde_json::from_slice::<Version>(bytes).ok().map(|version| version.ruminate_publish_journal);
        if let Some(other) = written.filter(|&version| version != VERSION) {
            anyhow::bail!(
                "has version {other}, and this program reads version {VERSION}: resume with the ruminate that wrote it, or \
                 use --skip"
            );
        }
        let journal: Self = serde_json::from_slice(bytes).context("is damaged: continue with --skip")?;
        anyhow::ensure!(journal.completed.is_valid(), "is damaged: its ranges are not in order: continue with --skip");
        Ok(journal)
    }

    /// Returns the number of completed messages.
    pub fn completed_count(&self) -> u64 {
        self.completed.count()
    }
}

/// Identity of a run: its topic and its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunIdentity {
    topic: String,
    source: Vec<String>,
}

impl RunIdentity {
    /// Identifies a run by its topic and the current state of its source: files with size and modification time, or the
    /// parameters of a generated history.
    pub(super) fn new(topic: &str, source: &Source) -> Self {
        Self { topic: topic.to_owned(), source: source.identity() }
    }

    /// Returns a short hash for the file name, based on the topic and the source's names but not on the files' state.
    fn digest(&self) -> String {
        let names = self.source.iter().map(|one| one.split('\t').next().unwrap_or(one));
        let text = names.fold(self.topic.clone(), |text, name| text + "\n" + name);
        hex(&Sha256::digest(text))[..16].to_owned()
    }
}

/// Policy for an interrupted earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resume {
    /// Publish everything; an existing journal is replaced.
    #[default]
    No,
    /// Skip what the journal lists as completed.
    Yes,
}

/// Location of the journal of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum JournalLocation {
    /// No journal.
    #[default]
    Disabled,
    /// This file.
    File(PathBuf),
    /// This directory, in a file named after the run.
    Folder(PathBuf),
}

/// The journal of an active run.
#[derive(Debug)]
pub(super) struct Journal {
    path: Option<PathBuf>,
    held: JournalFile,
    written: Instant,
    warned: bool,
}

impl Journal {
    /// Opens the journal of a run. With [`Resume::Yes`] it starts from the existing journal.
    ///
    /// # Errors
    ///
    /// Returns an error if there is nothing to resume, the journal belongs to another run or is damaged, a file has
    /// changed since, or the journal cannot be written.
    pub(super) fn open(place: &JournalLocation, of: RunIdentity, resume: Resume, skip: u64) -> anyhow::Result<Self> {
        let path = match place {
            JournalLocation::Disabled => None,
            JournalLocation::File(path) => Some(path.clone()),
            JournalLocation::Folder(dir) => Some(dir.join(format!("publish-{}.json", of.digest()))),
        };
        let mut held =
            JournalFile { ruminate_publish_journal: VERSION, run: of, completed: CompletedRanges::below(skip) };
        let Some(path) = path else {
            anyhow::ensure!(resume == Resume::No, "--resume needs a journal, which this run does not keep: use --skip");
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
                if let Ok(earlier) = JournalFile::parse(&bytes) {
                    tracing::warn!(
                        "an earlier run stopped after {}; starting over (use --resume to continue it)",
                        counted(earlier.completed.count(), "message", "messages")
                    );
                }
            }
            (Resume::Yes, None) => {
                anyhow::bail!("nothing to resume: no journal {} (completed runs delete theirs)", path.display())
            }
            (Resume::Yes, Some(bytes)) => {
                let earlier = JournalFile::parse(&bytes).with_context(|| format!("journal {}", path.display()))?;
                anyhow::ensure!(earlier.run.topic == held.run.topic, "the journal is of topic {}", earlier.run.topic);
                let mut changed = earlier.run.source.iter().zip(&held.run.source).filter(|(was, is)| was != is);
                if let Some((was, is)) = changed.next() {
                    anyhow::bail!(
                        "the input has changed since: it was {}, and is {}; run without --resume, or, if the messages that were \
                         sent are still at its start, with --skip {}",
                        was.replace('\t', " "),
                        is.replace('\t', " "),
                        earlier.completed.first_incomplete()
                    );
                }
                anyhow::ensure!(
                    earlier.run.source.len() == held.run.source.len(),
                    "the run was of {}, and now there are {}",
                    counted(earlier.run.source.len() as u64, "file", "files"),
                    count(held.run.source.len() as u64)
                );
                held = earlier;
            }
        }
        std::fs::create_dir_all(folder_of(&path)).with_context(|| format!("journal {}", path.display()))?;
        let journal = Self { path: Some(path), held, written: Instant::now(), warned: false };
        journal.write()?;
        Ok(journal)
    }

    /// Returns all completed messages, of this run and the one it resumes.
    pub(super) fn completed(&self) -> &CompletedRanges {
        &self.held.completed
    }

    /// Marks that message as completed.
    pub(super) fn mark_done(&mut self, index: u64) {
        self.held.completed.insert(index);
    }

    /// Writes the journal if the last write is at least a second ago. A failed write, such as on a full disk, does not
    /// stop the run.
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
            tracing::warn!("{e:#}: if this run is killed, it resumes from an earlier point");
        }
    }

    fn write(&self) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let written = temp_file_next_to(path).and_then(|mut half| {
            half.write_all(&serde_json::to_vec(&self.held)?)?;
            half.write_all(b"\n")?;
            half.persist(path).map_err(|e| e.error)
        });
        written.map(drop).with_context(|| format!("journal {}", path.display()))
    }

    /// Ends the journal: deletes it if the run has completed, else saves it. Returns its path if the run can be
    /// resumed.
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
    fn ranges_contain_indexes_inserted_in_any_order() {
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
        let source =
            Source::Files(crate::history::Inputs::unchecked(vec![path], crate::history::InputSettings::default()));
        (RunIdentity::new("t", &source), JournalLocation::Folder(home.join("state")))
    }

    #[test]
    fn a_run_is_resumed_only_with_the_same_source() {
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
        let error = || format!("{:#}", open(&one, Resume::Yes).unwrap_err());
        std::fs::write(&path, r#"{"ruminate_publish_journal":1,"of":{},"settled":{"below":3,"above":{}}}"#).unwrap();
        assert!(error().contains("has version 1, and this program reads version 2"), "{}", error());
        std::fs::write(&path, "{").unwrap();
        assert!(error().contains("is damaged: continue with --skip"), "{}", error());
        for above in [r#""5":3"#, r#""5":5"#, r#""3":4"#, r#""5":7,"6":9"#, r#""5":7,"7":9"#] {
            let run = serde_json::to_string(&one).unwrap();
            let text = format!(
                r#"{{"ruminate_publish_journal":2,"run":{run},"completed":{{"below":3,"above":{{{above}}}}}}}"#
            );
            std::fs::write(&path, text).unwrap();
            assert!(error().contains("its ranges are not in order"), "{above}: {}", error());
        }
        let restarted = open(&one, Resume::No).unwrap();
        assert_eq!(restarted.completed().count(), 0);
        assert_eq!(restarted.close(true), None);
        assert!(!path.exists(), "a completed run deletes its journal");
    }
}
