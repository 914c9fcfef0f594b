//! Format of cache files: Parquet with one row per object, the weights as doubles and timestamps in microseconds.

use std::io;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::{CachedObject, invalid};
use crate::parquet::{Buffer, Field, Layout, RowGroup, Times, Type, Writer};
use pipeline::lake::Partition;
use pipeline::record::{Column, Record};

/// Columns before those of the record. `rejected` is the reason why the object holds no record, and empty if it holds
/// one.
const OBJECT: [Field; 4] = [
    Field::required("key", Type::Text),
    Field::required("etag", Type::Text),
    Field::required("size", Type::Long),
    Field::required("rejected", Type::Text),
];

/// Version of the parsing rules, to be raised whenever [`Record::parse`] accepts or rejects anything else than before.
/// A file with other columns is ignored in any case.
const RULES: &str = "2";

fn fields() -> Vec<Field> {
    OBJECT.into_iter().chain(Column::ALL.map(|column| Field::of(column, Times::Micros))).collect()
}

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
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_key_value_metadata(Some(metadata))
        .build();
    let fields = fields();
    let mut buffers: Vec<Buffer> = fields.iter().map(Buffer::new).collect();
    let (object, columns) = buffers.split_at_mut(OBJECT.len());
    if let [key, etag, size, rejected] = object {
        for known in cached {
            key.push_text(&known.key);
            etag.push_text(&known.etag);
            size.push_long(known.size.cast_signed());
            rejected.push_text(known.content.as_ref().err().map_or("", String::as_str));
        }
    }
    for (column, buffer) in Column::ALL.into_iter().zip(columns) {
        for known in cached {
            match &known.content {
                Ok(record) => buffer.push(record.field(column)),
                Err(_) => buffer.push_nothing(),
            }
        }
    }
    let layout = Layout::new("objects", &fields, properties)?;
    let group = layout.encode(&mut buffers)?;
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
        let message = meta.key_value_metadata().and_then(|said| said.iter().find(|said| said.key == name));
        if message.and_then(|said| said.value.as_ref()) != Some(&due) {
            return Err(invalid(&format!("it is not of {name} {due}")));
        }
    }
    let fields = fields();
    let mut cached = Vec::with_capacity(usize::try_from(meta.num_rows()).unwrap_or(0));
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(io::Error::other)?;
        let rows = usize::try_from(group.metadata().num_rows()).map_err(io::Error::other)?;
        let group = RowGroup::read(&*group, &fields).map_err(io::Error::other)?;
        for row in 0..rows {
            cached.push(object(&group, row).ok_or_else(|| invalid("its columns are others"))?);
        }
    }
    Ok(cached)
}

/// Returns the object of a row, by the column indexes of [`OBJECT`].
fn object(group: &RowGroup, row: usize) -> Option<CachedObject> {
    let text = |column| group.text(column, row).map(str::to_owned);
    let rejected = text(3)?;
    let held =
        if rejected.is_empty() { Ok(Box::new(Record::read(&mut group.record(row)).ok()?)) } else { Err(rejected) };
    Some(CachedObject { key: text(0)?, etag: text(1)?, size: group.long(2, row)?.cast_unsigned(), content: held })
}
