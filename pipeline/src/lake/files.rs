//! Ranges and files of a lake whose back end reads and writes only complete objects in memory.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::{ChangeResult, Error, Lake, ObjectMeta, PutResult, Reason};

/// Returns a range of an object's bytes.
pub(super) fn slice(listed: &ObjectMeta, body: &Bytes, range: Range<u64>) -> Result<Bytes, Error> {
    let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    match bounds.filter(|(start, end)| start <= end && *end <= body.len()) {
        Some((start, end)) => Ok(body.slice(start..end)),
        None => Err(Error::new(Reason::Other, &*listed.key, format!("has {} bytes, not {range:?}", body.len()))),
    }
}

/// Writes a file as an object, as [`Lake::put_file`] describes.
pub(super) async fn put<L: Lake + ?Sized>(
    lake: &L,
    key: &str,
    file: &Path,
    replaces: Option<&str>,
) -> Result<ChangeResult, Error> {
    let read = std::fs::read(file).map_err(|e| Error::new(Reason::Other, key, e.to_string()))?;
    match replaces {
        Some(etag) => lake.change_if_match(key, etag, Some(read.into())).await,
        None => Ok(match lake.put_new(key, read.into()).await? {
            PutResult::Created => ChangeResult::Done,
            PutResult::AlreadyExists => ChangeResult::Conflict,
        }),
    }
}
