//! Sorters of an audit, which share one directory and one memory limit.

use std::io;

use super::deferred::FindingEntry;
use super::entries::{LakeEntry, NaturalKeyEntry, SortedFinding, WarehouseEntry};
use super::one_sided::{OneSided, OneSidedEntry};
use super::truth_entries::{HashEntry, IdEntry, QuarantinedHash, Unresolved};
use crate::sort::{SortDir, SortOrder, SortSettings, Sorter};

/// Number of sorters filled at the same time; the lake's sorter is done before those of findings start.
const AT_ONCE: usize = 3;
/// Additional sorters of a truth that are filled, or stay in memory, at the same time.
const OF_A_TRUTH: usize = 3;

/// Error message if the disk cannot store the findings of an audit.
pub(super) const FULL: &str = "cannot store findings on disk: set --sort-dir to a directory with free space";

/// Creates the sorters.
#[derive(Debug, Clone)]
pub(super) struct Sorters {
    dir: SortDir,
    memory: usize,
    at_once: usize,
}

impl Sorters {
    /// Returns a factory for the sorters of an audit, with or without a truth.
    pub(super) fn new(settings: &SortSettings, truth: bool) -> io::Result<Self> {
        let at_once = if truth { AT_ONCE + OF_A_TRUTH } else { AT_ONCE };
        Ok(Self { dir: SortDir::in_dir(&settings.dir)?, memory: settings.memory, at_once })
    }

    /// Returns a sorter for entries of `bytes` bytes each in memory (measured).
    fn of<T: SortOrder>(&self, bytes: usize) -> io::Result<Sorter<T>> {
        Sorter::in_dir((self.memory / self.at_once / bytes).max(1_000), &self.dir)
    }

    pub(super) fn lake(&self) -> io::Result<Sorter<LakeEntry>> {
        self.of(700)
    }

    pub(super) fn late(&self) -> io::Result<Sorter<WarehouseEntry>> {
        self.of(900)
    }

    pub(super) fn unpaired(&self) -> io::Result<OneSided> {
        Ok(OneSided::new(self.of::<OneSidedEntry>(900)?))
    }

    pub(super) fn naturals(&self) -> io::Result<Sorter<NaturalKeyEntry>> {
        self.of(220)
    }

    pub(super) fn rows(&self) -> io::Result<Sorter<WarehouseEntry>> {
        self.of(900)
    }

    pub(super) fn findings(&self) -> io::Result<Sorter<FindingEntry>> {
        self.of(1_000)
    }

    pub(super) fn sorted_findings(&self) -> io::Result<Sorter<SortedFinding>> {
        self.of(1_300)
    }

    pub(super) fn truth_ids(&self) -> io::Result<Sorter<IdEntry>> {
        self.of(180)
    }

    pub(super) fn truth_hashes(&self) -> io::Result<Sorter<HashEntry>> {
        self.of(180)
    }

    pub(super) fn unresolved(&self) -> io::Result<Sorter<Unresolved>> {
        self.of(330)
    }

    pub(super) fn kept(&self) -> io::Result<Sorter<QuarantinedHash>> {
        self.of(40)
    }
}
