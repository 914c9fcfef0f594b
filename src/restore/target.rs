//! The lake that objects are restored into: its listing, and writes that never replace an object.

use std::iter::Peekable;
use std::vec::IntoIter;

use bytes::Bytes;

use crate::parts::PartRow;
use pipeline::lake::{Depth, Error, Lake, ObjectMeta, PutResult, Reason};

/// Listing of a prefix, read in the order of the keys.
pub(super) struct TargetListing<'a> {
    lake: &'a dyn Lake,
    prefix: String,
    page: Peekable<IntoIter<ObjectMeta>>,
    after: Option<String>,
    is_over: bool,
}

impl<'a> TargetListing<'a> {
    pub(super) fn new(lake: &'a dyn Lake, prefix: String) -> Self {
        Self { lake, prefix, page: Vec::new().into_iter().peekable(), after: None, is_over: false }
    }

    /// Returns the listing entry of a key, which must be greater than that of the previous call; `None` if no object
    /// has it.
    pub(super) async fn find(&mut self, key: &str) -> Result<Option<ObjectMeta>, Error> {
        loop {
            while self.page.next_if(|meta| meta.key.as_str() < key).is_some() {}
            if self.page.peek().is_some() {
                return Ok(self.page.next_if(|meta| meta.key == key));
            }
            if self.is_over {
                return Ok(None);
            }
            let page = match self.lake.list(&self.prefix, Depth::Recursive, self.after.as_deref()).await {
                // A directory that does not exist yet has no objects.
                Err(e) if matches!(e.reason, Reason::NotFound | Reason::NoLake) => Default::default(),
                other => other?,
            };
            self.page = page.objects.into_iter().peekable();
            self.is_over = page.next.is_none();
            self.after = page.next;
        }
    }
}

/// Result of restoring one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restored {
    Written,
    Identical,
    Differing,
}

/// Writes the object of a row, or compares it with the existing one.
pub(super) async fn put(
    lake: &dyn Lake,
    row: &PartRow,
    body: Bytes,
    there: Option<&ObjectMeta>,
    dry_run: bool,
) -> Result<Restored, Error> {
    if let Some(there) = there {
        let same = there.size == row.size && there.etag == row.etag && !row.etag.is_empty();
        return if same { Ok(Restored::Identical) } else { compare(lake, row, &body, there.size).await };
    }
    if dry_run {
        return Ok(Restored::Written);
    }
    match lake.put_new(&row.key, body.clone()).await? {
        PutResult::Created => Ok(Restored::Written),
        PutResult::AlreadyExists => compare(lake, row, &body, row.size).await,
    }
}

async fn compare(lake: &dyn Lake, row: &PartRow, body: &Bytes, size: u64) -> Result<Restored, Error> {
    if size != row.size {
        return Ok(Restored::Differing);
    }
    let there = lake.get(&row.key).await?;
    Ok(if there == *body { Restored::Identical } else { Restored::Differing })
}
