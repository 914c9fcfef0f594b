//! Reading of objects with their bytes, for compaction.

use bytes::Bytes;

use super::{ObjectContent, ReadObject, Reader};
use crate::parts::Content;
use pipeline::lake::{Error, Key, ObjectMeta};

/// Maximum size of an object whose bytes are kept. A larger object is not a record.
pub const MAX_BODY_BYTES: u64 = 4 << 20;

impl Reader {
    /// Reads listed objects in one call of the lake, with the bytes of those that could be fetched.
    ///
    /// An object that is too large for a record is fetched too, up to [`MAX_BODY_BYTES`].
    pub async fn read_with_bodies(&self, batch: Vec<ObjectMeta>) -> Vec<Result<(ReadObject, Option<Bytes>), Error>> {
        let known: Vec<_> = batch
            .iter()
            .map(|meta| {
                let key = Key::parse(&meta.key);
                let skip = self.skip_reason(meta, key.as_ref());
                let fetch = match &skip {
                    None => true,
                    Some(ObjectContent::Rejected(_)) => meta.size <= MAX_BODY_BYTES,
                    Some(_) => false,
                };
                (key, skip, fetch)
            })
            .collect();
        let wanted: Vec<&ObjectMeta> =
            batch.iter().zip(&known).filter(|(_, (.., fetch))| *fetch).map(|(meta, _)| meta).collect();
        let mut bodies = self.lake.get_many(&wanted).await.into_iter();
        let mut read = Vec::with_capacity(known.len());
        for (meta, (key, skip, fetch)) in batch.into_iter().zip(known) {
            let got = if fetch { bodies.next() } else { None };
            let body = got.as_ref().and_then(|got| got.as_ref().ok().cloned());
            let item = match (skip, got) {
                (Some(skip), _) => Ok(skip),
                (None, Some(got)) => self.parse_body(got).await,
                (None, None) => Ok(ObjectContent::Unreadable("no response from the lake".into())),
            };
            read.push(item.map(|item| (ReadObject { meta, key, item }, body)));
        }
        read
    }
}

impl ObjectContent {
    /// Returns the content of an object that was fetched; `None` if it was not.
    pub(crate) fn of_body(self) -> Option<Content> {
        match self {
            Self::Record(record) => Some(Content::Record(record)),
            Self::Rejected(why) => Some(Content::Rejected(why)),
            Self::Unreadable(why) => Some(Content::Unreadable(why)),
            Self::Archived | Self::Skipped(_) | Self::Unopened => None,
        }
    }
}
