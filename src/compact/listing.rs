//! Listing of a part's objects, in pieces, and the category of each.

use chrono::NaiveDate;

use super::{Counter, Outcome};
use crate::parts::PartName;
use crate::reader::{MAX_BODY_BYTES, ObjectContent, Reader, Skip};
use pipeline::lake::{Depth, Error, Key, Lake, ObjectMeta, Partition, Reason};

/// Maximum number of objects of a piece.
const PIECE: usize = 1_000;

/// Category of a listed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectCategory {
    /// It has a row.
    Row,
    /// It cannot be read now, so it has a row only if an earlier part has it.
    Archived,
    /// It has no row.
    Skipped(Skip),
    /// It is too large for a row.
    TooLarge,
}

impl ObjectCategory {
    pub(super) fn of(reader: &Reader, meta: &ObjectMeta) -> Self {
        match reader.skip_reason(meta, Key::parse(&meta.key).as_ref()) {
            Some(ObjectContent::Skipped(skip)) => Self::Skipped(skip),
            Some(ObjectContent::Archived) => Self::Archived,
            Some(_) if meta.size > MAX_BODY_BYTES => Self::TooLarge,
            _ => Self::Row,
        }
    }

    /// Counts an object without a row.
    pub(super) fn count(self, meta: &ObjectMeta, tally: &mut Outcome) {
        match self {
            Self::Row => {}
            Self::Archived => tally[Counter::Archived] += 1,
            Self::Skipped(skip) => {
                tally[skip] += 1;
                if crate::outcome::Counter::spec(skip).role.is_finding() {
                    tally.problems.add("skipped", &*meta.key, skip.reason());
                }
            }
            Self::TooLarge => {
                tally[Counter::TooLarge] += 1;
                let reason = format!("{} bytes are too many for a part", meta.size);
                tally.problems.add("skipped", &*meta.key, reason);
            }
        }
    }
}

/// Returns the day of an object of a part; `None` if its key is not in a partition of the part.
pub(super) fn day_of(name: &PartName, meta: &ObjectMeta) -> Option<NaiveDate> {
    Partition::of_key(&meta.key).filter(|partition| name.has(partition)).map(|partition| partition.day)
}

/// Listing of a part's objects, in key order.
pub(super) struct PartListing<'a> {
    lake: &'a dyn Lake,
    name: &'a PartName,
    /// Start of the next page.
    after: Option<String>,
    /// Objects of the current page.
    page: std::vec::IntoIter<ObjectMeta>,
    is_over: bool,
}

impl<'a> PartListing<'a> {
    pub(super) fn new(lake: &'a dyn Lake, name: &'a PartName) -> Self {
        Self { lake, name, after: None, page: Vec::new().into_iter(), is_over: false }
    }

    /// Returns the next objects; empty after the last one.
    pub(super) async fn next(&mut self) -> Result<Vec<ObjectMeta>, Error> {
        loop {
            let name = self.name;
            // The scan counts other objects below the prefix.
            let piece: Vec<_> = self.page.by_ref().filter(|meta| day_of(name, meta).is_some()).take(PIECE).collect();
            if let Some(meta) = piece.iter().find(|meta| meta.etag.is_empty()) {
                let why = "the store lists no ETags, so parts could not show which objects changed: use the lake without parts";
                return Err(Error::new(Reason::Settings, &*meta.key, why));
            }
            if !piece.is_empty() || self.is_over {
                return Ok(piece);
            }
            let page = self.lake.list(&name.prefix(), Depth::Recursive, self.after.as_deref()).await?;
            self.page = page.objects.into_iter();
            self.is_over = page.next.is_none();
            self.after = page.next;
        }
    }
}
