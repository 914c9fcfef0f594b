//! Rows reach the warehouse in the order of their primary key: what a day holds is sorted within it, what follows no day
//! is sorted as a whole, on disk past the memory it may take.
//!
//! A record is *timed* where its id's time lies in the day of its path (ids of version 7 and 8 begin with their time in
//! milliseconds, RFC 9562): days in order then are ids in order. All others, such as the random ids of older lakes, are
//! *loose* and are loaded in one sweep at the end.

use std::cmp::Ordering;
use std::io;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::sort::{OrderedId, SortDir, SortOrder, SortSettings, Sorter};
use pipeline::record::{Record, RecordId};

/// What an entry takes in memory while it is sorted, in bytes, measured.
const ENTRY_BYTES: usize = 700;

/// A record on its way, with where it was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReplayEntry {
    pub id: OrderedId,
    pub key: String,
    /// Its partition's number in the plan.
    pub place: u32,
    pub record: Box<Record>,
}

impl SortOrder for ReplayEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then_with(|| self.key.cmp(&other.key))
    }
}

/// Which way a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum IdOrder {
    #[serde(rename = "timed")]
    TimeOrdered,
    #[serde(rename = "loose")]
    Unordered,
}

impl IdOrder {
    /// The way of a record in the path of that day.
    pub(super) fn of(id: &OrderedId, day: NaiveDate) -> Self {
        if id_day(id) == Some(day) { Self::TimeOrdered } else { Self::Unordered }
    }
}

/// The day that an id itself tells, in whose path its record is timed.
pub(super) fn id_day(id: &OrderedId) -> Option<NaiveDate> {
    match id {
        OrderedId::Uuid(bytes) => RecordId::Uuid(*bytes).day(),
        OrderedId::Other(_) => None,
    }
}

/// Makes the sorters of a run.
pub(super) struct Sorters {
    run: usize,
    dir: SortDir,
}

impl Sorters {
    pub(super) fn new(settings: &SortSettings) -> io::Result<Self> {
        // A day that is read, a day that waits and the loose records share the memory.
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
