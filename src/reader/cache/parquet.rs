//! Format of cache files: the rows of a part, without the original objects.

use std::io;

use bytes::Bytes;
use chrono::DateTime;
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::{CachedObject, invalid};
use crate::parquet::{Field, RowGroup, Writer};
use crate::parts::{RULES, RowBuffers, RowValues, Rows, cache_columns, cache_layout};
use pipeline::lake::Partition;

/// Returns the metadata of a file, by name.
fn metadata(lake: &str, partition: &Partition) -> [(&'static str, String); 3] {
    [
        ("ruminate.lake", lake.to_owned()),
        ("ruminate.partition", partition.prefix()),
        ("ruminate.rules", RULES.to_owned()),
    ]
}

/// Encodes a file of these objects.
///
/// # Errors
///
/// Returns an error if the encoder fails; none is known, because everything is in memory.
pub(super) fn encode(cached: &[CachedObject], lake: &str, partition: &Partition) -> io::Result<Vec<u8>> {
    let metadata = metadata(lake, partition).map(|(name, value)| KeyValue::new(name.to_owned(), value)).into();
    let mut buffers = RowBuffers::new(cache_columns());
    for known in cached {
        let (version, content) = (known.version(), &known.content);
        buffers.push(&RowValues { version, modified: DateTime::UNIX_EPOCH, content, body: None, extra: None });
    }
    let layout = cache_layout(metadata)?;
    let group = buffers.encode(&layout)?;
    let mut file = Writer::new(Vec::new(), layout)?;
    file.append(group)?;
    file.finish()
}

/// Decodes the objects of a file.
///
/// # Errors
///
/// Returns an error if it is not a cache file, or is from another lake, partition or program.
pub(super) fn decode(bytes: Vec<u8>, lake: &str, partition: &Partition) -> io::Result<Vec<CachedObject>> {
    let file = SerializedFileReader::new(Bytes::from(bytes)).map_err(io::Error::other)?;
    let meta = file.metadata().file_metadata();
    for (name, due) in metadata(lake, partition) {
        let message = meta.key_value_metadata().and_then(|entry| entry.iter().find(|entry| entry.key == name));
        if message.and_then(|entry| entry.value.as_ref()) != Some(&due) {
            return Err(invalid(&format!("it is not of {name} {due}")));
        }
    }
    let columns = cache_columns();
    let fields: Vec<Field> = columns.iter().map(|column| column.field()).collect();
    let mut cached = Vec::with_capacity(usize::try_from(meta.num_rows()).unwrap_or(0));
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(io::Error::other)?;
        let count = usize::try_from(group.metadata().num_rows()).map_err(io::Error::other)?;
        let rows = Rows::new(RowGroup::read(&*group, &fields).map_err(io::Error::other)?, &columns);
        for row in 0..count {
            cached.push(object(&rows, row).ok_or_else(|| invalid("its columns do not match"))?);
        }
    }
    Ok(cached)
}

fn object(rows: &Rows, row: usize) -> Option<CachedObject> {
    let (version, content) = (rows.version(row)?, rows.content(row)?);
    Some(CachedObject { key: version.key.to_owned(), etag: version.etag.to_owned(), size: version.size, content })
}
