//! Files of an inventory: fetched, checked against the manifest, and read as CSV or Parquet.

use std::io::{self, Read, Write as _};

use chrono::DateTime;
use flate2::read::MultiGzDecoder;
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;

use super::entry::InventoryEntry;
use super::manifest::{FileFormat, Manifest, ManifestFile};
use super::{InventorySource, disk, wrong};
use crate::compression::MaxExpansion;
use crate::line_limit::LineLimit;
use crate::parquet::{Cell, Table};
use crate::sort::Sorter;
use pipeline::lake::{Error, ObjectMeta, StorageClass};

/// Number of bytes that are fetched at a time.
const PIECE: u64 = 8 << 20;

/// Maximum length of a line of a CSV file, in bytes: a key has 1,024, each of which may be encoded as three.
const MAX_LINE_BYTES: usize = 256 << 10;

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
        each_entry(format, &schema, file, &mut add).map(|()| sorter)
    });
    read.await.map_err(|e| disk(&io::Error::other(e)))?.map_err(|e| wrong(key, e))
}

/// Returns the objects in a file of an inventory, with their keys in the bucket.
///
/// # Errors
/// Returns an error if the file cannot be read, is damaged or lacks a column.
pub fn read_objects(format: FileFormat, schema: &str, file: std::fs::File) -> io::Result<Vec<ObjectMeta>> {
    let mut objects = Vec::new();
    let mut add = |entry: InventoryEntry| {
        objects.push(entry.into_meta());
        Ok(())
    };
    each_entry(format, schema, file, &mut add)?;
    Ok(objects)
}

fn each_entry(
    format: FileFormat,
    schema: &str,
    file: std::fs::File,
    add: &mut impl FnMut(InventoryEntry) -> io::Result<()>,
) -> io::Result<()> {
    match format {
        FileFormat::Csv => csv(LineLimit::new(MultiGzDecoder::new(&file), MAX_LINE_BYTES), schema, add),
        FileFormat::Parquet | FileFormat::Orc => parquet(file, add),
    }
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
    let mut table = Table::open(file, MaxExpansion::DEFAULT.0).map_err(io::Error::other)?;
    let place = |name: &str| table.columns().iter().position(|column| column.name == name);
    let needed = |name: &'static str| place(name).ok_or_else(|| lacks(name));
    let (key, size, time, etag) = (needed("key")?, needed("size")?, needed("last_modified_date")?, needed("e_tag")?);
    let (class, latest, deleted) = (place("storage_class"), place("is_latest"), place("is_delete_marker"));
    let mut row = Vec::new();
    while table.read(&mut row).map_err(io::Error::other)? {
        let is = |place: Option<usize>, wanted: bool| place.is_some_and(|at| row[at] == Cell::Bool(wanted));
        if is(latest, false) || is(deleted, true) {
            continue;
        }
        let text = |at: usize| match &row[at] {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        };
        let size = match row[size] {
            Cell::Int(size) => u64::try_from(size).map_err(|_| invalid(format!("{size} is not a size")))?,
            _ => return Err(lacks("size")),
        };
        let modified = match row[time] {
            Cell::Time(at) => at.timestamp_millis(),
            Cell::Int(millis) => millis,
            _ => return Err(lacks("last_modified_date")),
        };
        let etag = text(etag).ok_or_else(|| lacks("e_tag"))?.trim_matches('"').to_owned();
        let class = class.and_then(text).unwrap_or_else(standard);
        add(InventoryEntry { key: text(key).ok_or_else(|| lacks("key"))?, size, etag, modified, class })?;
    }
    Ok(())
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
