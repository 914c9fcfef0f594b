//! Manifest of an inventory: its files with their checksums, and its bucket.

use chrono::{DateTime, Utc};
use md5::{Digest as _, Md5};
use serde::Deserialize;

use super::wrong;
use pipeline::lake::{Error, Lake, Reason};

/// Format of an inventory's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum FileFormat {
    /// Compressed CSV.
    #[serde(rename = "CSV")]
    Csv,
    /// Parquet.
    Parquet,
    /// ORC, which is not supported.
    #[serde(rename = "ORC")]
    Orc,
}

/// Manifest of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    source_bucket: String,
    /// Format of the files.
    pub file_format: FileFormat,
    /// Columns of CSV files, separated by commas.
    pub file_schema: String,
    /// Milliseconds since 1970.
    creation_timestamp: String,
    /// The files.
    pub files: Vec<ManifestFile>,
    /// Key of the manifest.
    #[serde(skip)]
    key: String,
}

/// A file of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ManifestFile {
    /// Key in the bucket of the inventory.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// MD5 of the file.
    #[serde(rename = "MD5checksum")]
    pub md5: String,
}

impl Manifest {
    /// Reads a manifest, and its checksum if that is next to it.
    pub(super) async fn read(store: &dyn Lake, key: &str) -> Result<Self, Error> {
        let body = store.get(key).await?;
        let checksum = match key.strip_suffix(".json") {
            Some(stem) => match store.get(&format!("{stem}.checksum")).await {
                Ok(checksum) => Some(String::from_utf8_lossy(&checksum).trim().to_ascii_lowercase()),
                Err(e) if e.reason == Reason::NotFound => None,
                Err(e) => return Err(e),
            },
            None => None,
        };
        if checksum.is_some_and(|checksum| checksum != md5(&body)) {
            return Err(wrong(key, "the manifest does not match its checksum: it is damaged or incomplete"));
        }
        Self::parse(key, &body)
    }

    /// Parses a manifest.
    ///
    /// # Errors
    /// Returns an error if it is not the manifest of an inventory.
    pub fn parse(key: &str, body: &[u8]) -> Result<Self, Error> {
        let manifest: Self = serde_json::from_slice(body)
            .map_err(|e| wrong(key, format!("it is not the manifest of an S3 Inventory: {e}")))?;
        Ok(Self { key: key.to_owned(), ..manifest })
    }

    /// Checks that it belongs to a bucket and can be read.
    ///
    /// # Errors
    /// Returns an error if it is the inventory of another bucket, or has a format that is not supported.
    pub fn check(&self, bucket: &str) -> Result<(), Error> {
        if self.source_bucket != bucket {
            let of = &self.source_bucket;
            return Err(wrong(&*self.key, format!("it is an inventory of bucket {of}, but the lake is in {bucket}")));
        }
        if self.file_format == FileFormat::Orc {
            return Err(wrong(&*self.key, "its files are ORC, which is not supported: configure CSV or Parquet"));
        }
        Ok(())
    }

    /// Returns when the inventory was started.
    ///
    /// # Errors
    /// Returns an error if its time is not a number of milliseconds.
    pub fn created(&self) -> Result<DateTime<Utc>, Error> {
        let millis = self.creation_timestamp.parse().ok().and_then(DateTime::from_timestamp_millis);
        millis.ok_or_else(|| wrong(&*self.key, format!("{:?} is not a time", self.creation_timestamp)))
    }
}

pub(super) fn md5(bytes: &[u8]) -> String {
    pipeline::hex::hex(&Md5::digest(bytes))
}
