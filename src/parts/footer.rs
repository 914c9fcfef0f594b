//! Footer of a part: its contents, as one JSON text in the metadata of the Parquet file, with a hash of the text.
//!
//! It contains no run times and no hosts: the same objects give the same bytes.

use std::io;

use chrono::{DateTime, NaiveDate, Utc};
use parquet::basic::Compression;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::distrust::Distrust;
use super::layout::{FORMAT, RULES, part_schema};
use super::name::{Month, PartName};
use crate::multiset_hash::MultisetHash;

/// Names of the text and of its hash in the metadata of the file.
const TEXT: &str = "ruminate.parte";
const HASH: &str = "ruminate.parte.xxh3";

/// Contents of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    /// Version of the format.
    pub format: u32,
    /// Version of the parsing rules by which its records were read.
    pub rules: String,
    /// The lake, without the endpoint of its store.
    pub lake: String,
    /// Folder of the farm.
    pub farm: String,
    /// The month of the lake's paths.
    pub month: Month,
    /// The day, if the part has only one day.
    pub day: Option<NaiveDate>,
    /// Time of the newest object; `None` without objects.
    pub cutoff: Option<DateTime<Utc>>,
    /// True if it has the original objects.
    pub bodies: bool,
    /// Number of rows.
    pub rows: u64,
    /// The days with rows, in their order.
    pub days: Vec<DayFacts>,
    /// The row groups, in their order.
    pub groups: Vec<GroupFacts>,
    /// Hash of the positions of all column chunks in the file.
    pub places: String,
}

/// The rows of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayFacts {
    /// The day.
    pub day: NaiveDate,
    /// Index of its first row in the part.
    pub first_row: u64,
    /// Number of its rows.
    pub rows: u64,
    /// Number of these without a record.
    pub rejected: u64,
    /// Number of objects that were listed, including those without a row: archived or unreadable.
    pub listed: u64,
    /// Hash of `(key, etag, size)` of its rows, independent of their order.
    pub objects: MultisetHash,
    /// Hash of the contents of its rows.
    pub records: MultisetHash,
}

/// The bytes of one row group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFacts {
    /// Number of rows.
    pub rows: u64,
    /// The columns that a reader of records needs.
    pub data: Chunk,
    /// The columns with the original objects.
    pub body: Chunk,
}

/// A range of the file with a hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Offset of the first byte.
    pub start: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// Hash of the bytes.
    pub xxh3: String,
}

impl Chunk {
    /// Returns the offset after the last byte.
    pub(super) const fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes)
    }

    /// Returns true if the bytes match its hash.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.bytes && hex(xxh3_128(bytes)) == self.xxh3
    }
}

/// Returns a hash as text.
pub(super) fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}

impl Footer {
    /// Creates the footer of a part without rows.
    pub(super) fn new(name: &PartName, lake: &str, bodies: bool) -> Self {
        Self {
            format: FORMAT,
            rules: RULES.to_owned(),
            lake: lake.to_owned(),
            farm: name.farm.clone(),
            month: name.month,
            day: name.day,
            cutoff: None,
            bodies,
            rows: 0,
            days: Vec::new(),
            groups: Vec::new(),
            places: String::new(),
        }
    }

    /// Returns the name of the part.
    pub fn name(&self) -> PartName {
        PartName { farm: self.farm.clone(), month: self.month, day: self.day }
    }

    /// Returns the entry of a day; `None` if it has no rows.
    pub fn day(&self, day: NaiveDate) -> Option<&DayFacts> {
        self.days.iter().find(|facts| facts.day == day)
    }

    /// Returns the entries for the metadata of the file.
    pub(super) fn seal(&self) -> io::Result<[(&'static str, String); 2]> {
        let text = serde_json::to_string(self)?;
        let hash = hex(xxh3_128(text.as_bytes()));
        Ok([(TEXT, text), (HASH, hash)])
    }

    /// Reads the footer from the metadata of a file, and checks that it belongs to this lake and to this name.
    pub(super) fn open(file: &ParquetMetaData, lake: &str, name: &PartName) -> Result<Self, Distrust> {
        let damaged = |what: &str| Distrust::Damaged(what.to_owned());
        let entries = file.file_metadata().key_value_metadata();
        let entry = |wanted: &str| {
            let found = entries.and_then(|entries| entries.iter().find(|entry| entry.key == wanted));
            found.and_then(|entry| entry.value.as_deref())
        };
        let text = entry(TEXT).ok_or_else(|| damaged("it has no footer of a part"))?;
        if entry(HASH) != Some(&*hex(xxh3_128(text.as_bytes()))) {
            return Err(damaged("its footer was changed"));
        }
        // The version comes first, because another one may have other fields.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text).map_err(|e| Distrust::Damaged(e.to_string()))?;
        if format > FORMAT {
            return Err(Distrust::NewerFormat(format));
        }
        if format != FORMAT {
            return Err(Distrust::OtherFormat(format));
        }
        let footer: Self = serde_json::from_str(text).map_err(|e| Distrust::Damaged(e.to_string()))?;
        if footer.lake != lake {
            return Err(Distrust::OtherLake(footer.lake));
        }
        if footer.name() != *name {
            return Err(Distrust::OtherSpan(footer.name().key()));
        }
        footer.check(file)?;
        Ok(footer)
    }

    /// Checks the structure of the file against the footer.
    fn check(&self, file: &ParquetMetaData) -> Result<(), Distrust> {
        let damaged = |what: &str| Err(Distrust::Damaged(what.to_owned()));
        if self.rules != RULES && !self.bodies {
            return Err(Distrust::OtherRules(self.rules.clone()));
        }
        let schema = part_schema().map_err(|e| Distrust::Damaged(e.to_string()))?;
        if *file.file_metadata().schema_descr().root_schema() != schema {
            return Err(Distrust::OtherColumns);
        }
        if hash_of_places(file.row_groups()) != self.places || file.num_row_groups() != self.groups.len() {
            return damaged("its columns are at other positions");
        }
        let mut rows = 0_u64;
        for day in &self.days {
            let counts = [day.objects.count, day.records.count];
            if day.first_row != rows || counts != [day.rows; 2] || day.rejected > day.rows {
                return damaged("its days do not add up");
            }
            rows = rows.saturating_add(day.rows);
        }
        let in_groups = self.groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.rows));
        if rows != self.rows || in_groups != self.rows {
            return damaged("its rows do not add up");
        }
        Ok(())
    }
}

/// Returns a hash of the positions of the column chunks in a file, and of their numbers of values.
pub(super) fn hash_of_places(groups: &[RowGroupMetaData]) -> String {
    let mut hash = Xxh3::new();
    for group in groups {
        hash.update(&group.num_rows().to_le_bytes());
        for column in group.columns() {
            let is_zstd = matches!(column.compression(), Compression::ZSTD(_));
            let numbers = [
                column.dictionary_page_offset().unwrap_or(-1),
                column.data_page_offset(),
                column.compressed_size(),
                column.num_values(),
                i64::from(is_zstd),
            ];
            numbers.iter().for_each(|number| hash.update(&number.to_le_bytes()));
        }
    }
    hex(hash.digest128())
}
