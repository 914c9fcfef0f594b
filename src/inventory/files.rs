//! Files of an inventory: fetched, checked against the manifest, and read as CSV or Parquet.

use std::io::{self, Read, Write as _};

use chrono::DateTime;
use flate2::read::MultiGzDecoder;
use md5::{Digest as _, Md5};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use percent_encoding::percent_decode_str;

use super::entry::InventoryEntry;
use super::manifest::{FileFormat, Manifest, ManifestFile};
use super::{InventorySource, disk, wrong};
use crate::sort::Sorter;
use pipeline::lake::{Error, ObjectMeta, StorageClass};

/// Number of bytes that are fetched at a time.
const PIECE: u64 = 8 << 20;

/// Reads a file and adds the objects of the lake.
pub(super) async fn read(
    source: &InventorySource,
    manifest: &Manifest,
    listed: &ManifestFile,
    mut sorter: Sorter<InventoryEntry>,
) -> Result<Sorter<InventoryEntry>, Error> {
    let file = fetch(source, listed).await?;
    let (format, schema) = (manifest.file_format, manifest.file_schema.clone());
    let prefix = if source.prefix.is_empty() { String::new() } else { format!("{}/", source.prefix) };
    let key = listed.key.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut add = |mut entry: InventoryEntry| match entry.key.strip_prefix(&prefix) {
            Some(below) if !below.is_empty() => {
                entry.key = below.to_owned();
                sorter.push(entry)
            }
            _ => Ok(()),
        };
        let done = match format {
            FileFormat::Csv => csv(MultiGzDecoder::new(&file), &schema, &mut add),
            FileFormat::Parquet | FileFormat::Orc => parquet(file, &mut add),
        };
        done.map(|()| sorter)
    });
    read.await.map_err(|e| disk(&io::Error::other(e)))?.map_err(|e| wrong(key, e))
}

/// Fetches a file into a temporary one, and checks it against the manifest.
async fn fetch(source: &InventorySource, listed: &ManifestFile) -> Result<std::fs::File, Error> {
    let ManifestFile { key, size, md5 } = listed;
    let there = pipeline::lake::head(&*source.store, key).await?;
    let there: ObjectMeta = there.ok_or_else(|| wrong(&**key, "a file of the manifest is missing"))?;
    if there.size != *size {
        let message =
            format!("it has {} bytes, not {size} as in the manifest: it is truncated or was replaced", there.size);
        return Err(wrong(&**key, message));
    }
    let mut file = tempfile::tempfile_in(&source.dir).map_err(|e| disk(&e))?;
    let (mut sum, mut at) = (Md5::new(), 0);
    while at < *size {
        let end = (at + PIECE).min(*size);
        let piece = source.store.get_range(&there, at..end).await?;
        sum.update(&piece);
        file.write_all(&piece).map_err(|e| disk(&e))?;
        at = end;
    }
    if pipeline::hex::hex(&sum.finalize()) != md5.to_ascii_lowercase() {
        return Err(wrong(&**key, "it is not the file of the manifest: its MD5 differs"));
    }
    io::Seek::rewind(&mut file).map_err(|e| disk(&e))?;
    Ok(file)
}

/// Reads a CSV file, whose columns are those of the manifest, and whose keys are URL-encoded.
fn csv(file: impl Read, schema: &str, add: &mut impl FnMut(InventoryEntry) -> io::Result<()>) -> io::Result<()> {
    let names: Vec<&str> = schema.split(',').map(str::trim).collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    let needed = |name: &'static str| place(name).ok_or_else(|| lacks(name));
    let (key, size, time, etag) = (needed("Key")?, needed("Size")?, needed("LastModifiedDate")?, needed("ETag")?);
    let (class, latest, deleted) = (place("StorageClass"), place("IsLatest"), place("IsDeleteMarker"));
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(false).from_reader(file);
    for row in rows.records() {
        let row = row.map_err(io::Error::other)?;
        if row.len() != names.len() {
            return Err(invalid(format!("a line has {} columns, not {}", row.len(), names.len())));
        }
        let is = |place: Option<usize>, wanted: &str| place.is_some_and(|at| row[at].eq_ignore_ascii_case(wanted));
        if is(latest, "false") || is(deleted, "true") {
            continue;
        }
        let plain = row[key].replace('+', "%20");
        let name = percent_decode_str(&plain).decode_utf8().map_err(io::Error::other)?.into_owned();
        add(InventoryEntry {
            size: row[size].parse().map_err(|_| invalid(format!("{:?} is not a size", &row[size])))?,
            modified: DateTime::parse_from_rfc3339(&row[time]).map_err(io::Error::other)?.timestamp_millis(),
            etag: row[etag].trim_matches('"').to_owned(),
            class: class.map_or_else(standard, |at| row[at].to_owned()),
            key: name,
        })?;
    }
    Ok(())
}

/// Reads a Parquet file.
fn parquet(file: std::fs::File, add: &mut impl FnMut(InventoryEntry) -> io::Result<()>) -> io::Result<()> {
    let reader = SerializedFileReader::new(file).map_err(io::Error::other)?;
    for row in reader.get_row_iter(None).map_err(io::Error::other)? {
        let row = row.map_err(io::Error::other)?;
        let is = |name: &str, wanted: bool| matches!(field(&row, name), Some(Field::Bool(value)) if *value == wanted);
        if is("is_latest", false) || is("is_delete_marker", true) {
            continue;
        }
        let text = |name: &'static str| match field(&row, name) {
            Some(Field::Str(text)) => Ok(text.clone()),
            _ => Err(lacks(name)),
        };
        let size = match field(&row, "size") {
            Some(Field::Long(size)) => size.cast_unsigned(),
            _ => return Err(lacks("size")),
        };
        let modified = match field(&row, "last_modified_date") {
            Some(Field::TimestampMillis(at) | Field::Long(at)) => *at,
            Some(Field::TimestampMicros(at)) => at / 1_000,
            _ => return Err(lacks("last_modified_date")),
        };
        let etag = text("e_tag")?.trim_matches('"').to_owned();
        let class = text("storage_class").unwrap_or_else(|_| standard());
        add(InventoryEntry { key: text("key")?, size, etag, modified, class })?;
    }
    Ok(())
}

fn field<'a>(row: &'a Row, name: &str) -> Option<&'a Field> {
    row.get_column_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
}

fn standard() -> String {
    StorageClass::default().to_string()
}

fn lacks(name: &str) -> io::Error {
    invalid(format!("it has no column {name}: add it to the inventory's optional fields"))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
