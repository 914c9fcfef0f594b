//! Sorts records, so that rows reach the warehouse in primary key order.
//!
//! A record is *time-ordered* if the time in its id is in the day of its path. Ids of version 7 and 8 begin with a time
//! in milliseconds (RFC 9562). Time-ordered records are sorted per day: if days are in order, ids are too. All others,
//! such as the random ids of legacy lakes, are *unordered*: they are sorted as one set and loaded at the end. Sorting
//! uses the disk above a memory limit.

use std::cmp::Ordering;
use std::io;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::sort::{OrderedId, SortDir, SortOrder, SortSettings, Sorter};
use pipeline::record::{Record, RecordId};

/// Memory of one entry during the sort, in bytes; measured.
const ENTRY_BYTES: usize = 700;

/// Record to load, with its location.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReplayEntry {
    pub id: OrderedId,
    pub key: String,
    /// Number of its partition in the plan.
    pub place: u32,
    pub record: Box<Record>,
}

impl AsRef<Record> for ReplayEntry {
    fn as_ref(&self) -> &Record {
        &self.record
    }
}

impl SortOrder for ReplayEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then_with(|| self.key.cmp(&other.key))
    }
}

/// Order in which a record is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IdOrder {
    TimeOrdered,
    Unordered,
}

impl IdOrder {
    /// Returns the order of a record whose path has that day.
    pub(super) fn of(id: &OrderedId, day: NaiveDate) -> Self {
        if id_day(id) == Some(day) { Self::TimeOrdered } else { Self::Unordered }
    }
}

/// Returns the day in the id's time: a record in the path of that day is time-ordered. `None` without a time.
pub(super) fn id_day(id: &OrderedId) -> Option<NaiveDate> {
    match id {
        OrderedId::Uuid(bytes) => RecordId::Uuid(*bytes).day(),
        OrderedId::Other(_) => None,
    }
}

/// Creates the sorters of a run.
pub(super) struct Sorters {
    run: usize,
    dir: SortDir,
}

impl Sorters {
    pub(super) fn new(settings: &SortSettings) -> io::Result<Self> {
        // Three sorts share the memory: the day being read, the day that waits, and the unordered records.
        let run = (settings.memory / 3 / ENTRY_BYTES).max(100);
        Ok(Self { run, dir: SortDir::in_dir(&settings.dir)? })
    }

    pub(super) fn sorter(&self) -> io::Result<Sorter<ReplayEntry>> {
        Sorter::in_dir(self.run, &self.dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_the_day_are_timed() {
        let day = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
        let order = |id: &str| IdOrder::of(&OrderedId::new(id), day);
        assert_eq!(order("01856aa0-c800-883a-837a-29fe66bbec99"), IdOrder::TimeOrdered);
        assert_eq!(order("01856fc7-2400-883a-837a-29fe66bbec99"), IdOrder::Unordered, "the next day's");
        assert_eq!(order("01856aa0-c800-483a-837a-29fe66bbec99"), IdOrder::Unordered, "a random id");
        assert_eq!(order("01856AA0-C800-883A-837A-29FE66BBEC99"), IdOrder::Unordered);
        assert_eq!(order("7"), IdOrder::Unordered);
    }
}
