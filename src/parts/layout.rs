//! Layout of part files: encodings, compression, and the sizes of pages and row groups.
//!
//! Everything is fixed, so that the same objects give the same bytes. Only PLAIN and RLE_DICTIONARY are used, because
//! vectorised readers of other engines fail on the DELTA encodings.

use std::io;

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::{ColumnPath, Type};

use super::columns::PartColumn;
use crate::parquet::{Field, Layout, schema};
use pipeline::record::Column;

/// Version of the format of parts. A part of another version is not trusted.
pub(crate) const FORMAT: u32 = 1;

/// Version of the parsing rules. Increase it whenever [`pipeline::record::Record::parse`] accepts or rejects anything
/// differently. The rows of a part with another version are parsed again from their bodies.
pub(crate) const RULES: &str = "2";

/// Maximum number of rows of a row group.
pub(super) const GROUP_ROWS: usize = 32_768;

/// Size of the texts and bodies of a row group, in bytes, above which the next row starts another.
pub(super) const GROUP_BYTES: usize = 24 << 20;

/// Number of rows of a page, and of a decoded window.
pub(super) const PAGE_ROWS: usize = 1_024;

/// Compression level: a higher one takes longer to write, and is read at the same speed.
const ZSTD: i32 = 6;

/// Name of the schema.
const NAME: &str = "partes";

/// Name of the writer in the file. It does not change with the version of this program.
const WRITER: &str = "ruminate version 1.0.0 (build partes)";

/// Columns with few distinct values in a row group, which a dictionary makes small.
const REPEATING: [PartColumn; 10] = [
    PartColumn::Record(Column::IdCurral),
    PartColumn::Record(Column::IdRaca),
    PartColumn::Record(Column::IdLote),
    PartColumn::Record(Column::PesoEntrada),
    PartColumn::Record(Column::QuantidadeAnimais),
    PartColumn::Record(Column::DiaConfinamento),
    PartColumn::Record(Column::Data),
    PartColumn::Record(Column::CodCliente),
    PartColumn::Size,
    PartColumn::Rejected,
];

/// Columns whose minimum and maximum are not useful.
const UNORDERED: [PartColumn; 5] =
    [PartColumn::Etag, PartColumn::Repaired, PartColumn::Extra, PartColumn::Body, PartColumn::RawBody];

/// Bloom filter on the ids of a row group. Random ids need one, because page statistics cannot find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdFilter {
    /// All ids are in the order of the keys.
    None,
    /// There are random ids.
    Bloom,
}

/// Returns the layout of a part's row groups.
pub(super) fn part_layout(ids: IdFilter) -> io::Result<Layout> {
    let columns = PartColumn::all();
    let key = columns.iter().position(|column| *column == PartColumn::Key).unwrap_or_default();
    let mut properties = common(&columns)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD).map_err(io::Error::other)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: i32::try_from(key).map_err(io::Error::other)?,
            descending: false,
            nulls_first: false,
        }]));
    for column in UNORDERED {
        properties = properties.set_column_statistics_enabled(path(column), EnabledStatistics::None);
    }
    if ids == IdFilter::Bloom {
        let id = path(PartColumn::Record(Column::IdTreatedData));
        properties = properties.set_column_bloom_filter_enabled(id, true);
    }
    layout(NAME, &columns, properties)
}

/// Returns the schema of parts.
pub(super) fn part_schema() -> io::Result<Type> {
    schema(NAME, &fields(&PartColumn::all()))
}

/// Returns the columns of a cache file: those of a part without the original object.
pub(crate) fn cache_columns() -> Vec<PartColumn> {
    PartColumn::data().filter(|column| *column != PartColumn::Modified).collect()
}

/// Returns the layout of a cache file with this metadata.
pub(crate) fn cache_layout(metadata: Vec<parquet::file::metadata::KeyValue>) -> io::Result<Layout> {
    let columns = cache_columns();
    let properties = common(&columns)
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata));
    layout("objetos", &columns, properties)
}

fn common(columns: &[PartColumn]) -> WriterPropertiesBuilder {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(WRITER.to_owned())
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS);
    for column in columns.iter().filter(|column| !REPEATING.contains(column)) {
        properties = properties.set_column_dictionary_enabled(path(*column), false);
    }
    properties
}

fn path(column: PartColumn) -> ColumnPath {
    ColumnPath::from(column.name())
}

fn layout(name: &str, columns: &[PartColumn], properties: WriterPropertiesBuilder) -> io::Result<Layout> {
    Layout::new(name, &fields(columns), properties.build())
}

fn fields(columns: &[PartColumn]) -> Vec<Field> {
    columns.iter().map(|column| column.field()).collect()
}
