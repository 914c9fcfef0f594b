//! Parts: Parquet snapshots of a farm's month, whose rows are verified against the lake's `(key, etag, size)`.
//!
//! This module owns the format (columns, footer, file names), and the verification; `crate::parquet` owns the
//! mapping of values to Parquet, [`crate::reader`] decides between part, cache and object, and [`crate::compact`] and
//! [`crate::restore`] own the jobs. The audit's cache ([`crate::reader::cache`]) uses the same rows and the same comparison.
//!
//! Parts are in the folder `partes` next to the lake: `fazenda=<farm>/mes=<YYYY-MM>/parte.parquet`, or one file per day below
//! it (`dia=<DD>/parte.parquet`) for a month with too many rows; [`Catalog`] records which.
//!
//! # Trust
//!
//! A part is only a copy of objects that is cheaper to read. It is used if all of these checks pass; otherwise its
//! objects are read:
//!
//! | check | shows that |
//! | --- | --- |
//! | the hash of the footer, format version, lake, farm, month, columns | it is a complete part of this lake |
//! | the hash of the positions of all column chunks | the file has the structure that was written |
//! | the hash of the bytes of each row group that is read | the rows are those that were written |
//! | each row's `(key, etag, size)` against the listing | the object has not changed since |
//!
//! A row that is not in the listing is ignored, and an object without a row is read. The body of a row can be compared
//! with an ETag that is an MD5 (`compact --deep`): only this detects a part that was forged completely.

mod catalog;
mod columns;
mod content;
mod cursor;
mod distrust;
mod footer;
mod known;
mod layout;
mod matching;
mod name;
mod part;
mod rows;
mod set;
mod spool;
mod stats;
#[cfg(test)]
mod tests;
mod windows;
mod writer;

pub use catalog::Catalog;
#[cfg(test)]
pub(crate) use columns::PartColumn;
pub(crate) use columns::{RowBuffers, RowValues, Rows};
pub use content::Content;
pub(crate) use cursor::Wanted;
pub use distrust::Distrust;
pub use footer::{DayFacts, Footer};
pub(crate) use known::KnownObject;
pub(crate) use layout::{RULES, cache_columns, cache_layout};
pub(crate) use matching::Matching;
pub use name::{Month, PartName};
pub use part::Part;
pub use rows::PartRow;
pub(crate) use rows::{hash_of_object, hash_of_record};
pub(crate) use set::PartDay;
pub use set::{Parts, PartsMode};
pub use stats::PartsStats;
pub(crate) use windows::{CompleteRows, PartRows, Versions, WindowCache};
pub use writer::{PartWriter, Written};
