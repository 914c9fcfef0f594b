//! The catalog of a lake's parts, `_partes.json`: their lake, and the months with one part per day.
//!
//! Readers do not need it, because a part can be verified without it. A compaction stores its decisions for later ones
//! in it, and does not write into the folder of another lake. Query engines skip files whose names start with `_`.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::name::Month;
use pipeline::lake::{ChangeResult, Error, Lake, PutResult, Reason, head};

/// Name of the file in the folder of the parts.
const KEY: &str = "_partes.json";

/// Number of attempts to record a decision while other compactions do the same.
const ATTEMPTS: u32 = 8;

/// Decisions of the compactions of a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Version of this file.
    format: u32,
    /// The lake.
    lake: String,
    /// Months that have one part per day.
    by_day: BTreeSet<FarmMonth>,
}

/// A month of a farm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FarmMonth {
    farm: String,
    month: Month,
}

impl Catalog {
    /// Reads the catalog of a lake; an empty one if there is none yet.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, is not a catalog, or belongs to another lake.
    pub async fn read(parts: &dyn Lake, lake: &str) -> Result<Self, Error> {
        Ok(Self::find(parts, lake).await?.0)
    }

    async fn find(parts: &dyn Lake, lake: &str) -> Result<(Self, Option<String>), Error> {
        let new = Self { format: 1, lake: lake.to_owned(), by_day: BTreeSet::new() };
        let Some(meta) = head(parts, KEY).await? else { return Ok((new, None)) };
        let body = parts.get(KEY).await?;
        let wrong = |what: String| Error::new(Reason::Other, format!("{}/{KEY}", parts.address()), what);
        let found: Self = serde_json::from_slice(&body).map_err(|e| {
            wrong(format!("is not the catalog of this version: {e}: move it away, and it is written again"))
        })?;
        if found.format != new.format {
            return Err(wrong(format!("has format {}: use the ruminate that wrote it", found.format)));
        }
        if found.lake != lake {
            let other = found.lake;
            return Err(wrong(format!(
                "belongs to lake {other}: two lakes cannot share a folder of parts; move one into another folder"
            )));
        }
        Ok((found, Some(meta.etag)))
    }

    /// Returns true if a farm's month has one part per day.
    pub fn is_by_day(&self, farm: &str, month: Month) -> bool {
        self.by_day.contains(&FarmMonth { farm: farm.to_owned(), month })
    }

    /// Creates the catalog of a lake if there is none.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`Catalog::read`], or if it cannot be written.
    pub async fn create(parts: &dyn Lake, lake: &str) -> Result<(), Error> {
        Self::change(parts, lake, |_| {}).await
    }

    /// Records that a farm's month has one part per day.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`Catalog::create`].
    pub async fn split(parts: &dyn Lake, lake: &str, farm: &str, month: Month) -> Result<(), Error> {
        let entry = FarmMonth { farm: farm.to_owned(), month };
        let add = |catalog: &mut Self| {
            catalog.by_day.insert(entry.clone());
        };
        Self::change(parts, lake, add).await
    }

    async fn change(parts: &dyn Lake, lake: &str, change: impl Fn(&mut Self)) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let (before, etag) = Self::find(parts, lake).await?;
            let mut after = before.clone();
            change(&mut after);
            if etag.is_some() && after == before {
                return Ok(());
            }
            let mut text = serde_json::to_vec_pretty(&after).unwrap_or_default();
            text.push(b'\n');
            let text = Bytes::from(text);
            let done = match etag {
                Some(etag) => parts.change_if_match(KEY, &etag, Some(text)).await? == ChangeResult::Done,
                None => parts.put_new(KEY, text).await? == PutResult::Created,
            };
            if done {
                return Ok(());
            }
        }
        let about = format!("{}/{KEY}", parts.address());
        Err(Error::new(Reason::Other, about, "other compactions keep changing it: run this again later"))
    }
}
