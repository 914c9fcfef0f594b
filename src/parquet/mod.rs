//! Records as Parquet: the schema from the column table, columns of values to row groups, and row groups to records.
//!
//! This module maps the columns of a record to Parquet, and reads any flat file of other programs ([`Table`]). The
//! parts of the lake, the cache of audits and `generate` decide which columns a file has, its other content, and its
//! compression.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::writer::{ColumnCloseResult, ColumnWriterImpl, get_column_writer, get_typed_column_writer};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaData};
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescriptor, Type as SchemaType};
use pipeline::record::{Column, ColumnKind};

mod buffer;
mod cell;
mod limits;
mod read;
mod table;
mod thrift;

use buffer::Values;

pub(crate) use buffer::Buffer;
pub(crate) use cell::{Cell, CellType};
pub(crate) use limits::check_metadata;
pub(crate) use read::{ColumnCursor, RowGroup};
pub(crate) use table::{Table, TableColumn};

/// Precision of the timestamps in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// Milliseconds.
    Millis,
    /// Microseconds, the precision of a record.
    Micros,
}

/// Type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
    /// f64.
    Double,
    /// i32.
    Int,
    /// i64.
    Long,
    /// A UTC timestamp as i64.
    Time(Times),
}

/// A column of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub name: &'static str,
    pub kind: Type,
    /// Whether rows may have no value.
    pub optional: bool,
}

impl Field {
    /// Creates a column that has a value in every row.
    pub(crate) const fn required(name: &'static str, kind: Type) -> Self {
        Self { name, kind, optional: false }
    }

    /// Creates a column whose rows may have no value.
    pub(crate) const fn optional(name: &'static str, kind: Type) -> Self {
        Self { name, kind, optional: true }
    }

    /// Creates a column of a record.
    pub(crate) const fn of(column: Column, times: Times) -> Self {
        let kind = match column.kind() {
            ColumnKind::Text => Type::Text,
            ColumnKind::Weight => Type::Double,
            ColumnKind::Count => Type::Int,
            ColumnKind::Instant => Type::Time(times),
        };
        Self { name: column.name(), kind, optional: column.is_optional() }
    }

    /// Returns the column in the syntax of a Parquet schema.
    fn line(&self) -> String {
        let repetition = if self.optional { "optional" } else { "required" };
        let (physical, logical) = match self.kind {
            Type::Text => ("binary", " (UTF8)"),
            Type::Binary => ("binary", ""),
            Type::Double => ("double", ""),
            Type::Int => ("int32", ""),
            Type::Long => ("int64", ""),
            Type::Time(Times::Millis) => ("int64", " (TIMESTAMP(MILLIS,true))"),
            Type::Time(Times::Micros) => ("int64", " (TIMESTAMP(MICROS,true))"),
        };
        format!("{repetition} {physical} {}{logical};", self.name)
    }
}

/// Schema and properties of a file, shared by its row groups.
pub(crate) struct Layout {
    schema: SchemaDescriptor,
    properties: WriterPropertiesPtr,
}

impl Layout {
    /// Creates a layout with that message name, these columns and properties.
    ///
    /// # Errors
    ///
    /// Returns an error if a name cannot be used in a schema.
    pub(crate) fn new(name: &str, fields: &[Field], properties: WriterProperties) -> io::Result<Self> {
        let schema = SchemaDescriptor::new(Arc::new(schema(name, fields)?));
        Ok(Self { schema, properties: Arc::new(properties) })
    }

    /// Encodes a row group, one buffer per column, and empties the buffers.
    ///
    /// # Errors
    ///
    /// Returns an error if the buffers do not have the columns' types.
    pub(crate) fn encode<'a>(&self, buffers: impl IntoIterator<Item = &'a mut Buffer>) -> io::Result<Group> {
        let columns: Result<_, ParquetError> =
            buffers.into_iter().enumerate().map(|(at, buffer)| self.column(at, buffer)).collect();
        columns.map(Group).map_err(io_error)
    }

    fn column(&self, at: usize, buffer: &mut Buffer) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let levels = buffer.levels.as_mut().map(std::mem::take);
        let levels = levels.as_deref();
        match &mut buffer.values {
            Values::Texts(texts) => self.typed::<ByteArrayType>(at, &texts.take(), levels),
            Values::Doubles(values) => self.drained::<DoubleType>(at, values, levels),
            Values::Ints(values) => self.drained::<Int32Type>(at, values, levels),
            Values::Longs(values) => self.drained::<Int64Type>(at, values, levels),
        }
    }

    fn drained<T: DataType>(
        &self,
        at: usize,
        values: &mut Vec<T::T>,
        levels: Option<&[i16]>,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let column = self.typed::<T>(at, values, levels);
        values.clear();
        column
    }

    fn typed<T: DataType>(
        &self,
        at: usize,
        values: &[T::T],
        levels: Option<&[i16]>,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let mut out = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut out));
        let column = get_column_writer(self.schema.column(at), Arc::clone(&self.properties), pages);
        let mut column: ColumnWriterImpl<'_, T> = get_typed_column_writer(column);
        column.write_batch(values, levels, None)?;
        let closed = column.close()?;
        Ok((out.into_inner()?.into(), closed))
    }
}

/// Returns the schema of files with that message name and these columns.
///
/// # Errors
///
/// Returns an error if a name cannot be used in a schema.
pub(crate) fn schema(name: &str, fields: &[Field]) -> io::Result<SchemaType> {
    let lines: Vec<String> = fields.iter().map(Field::line).collect();
    parse_message_type(&format!("message {name} {{ {} }}", lines.join(" "))).map_err(io_error)
}

/// An encoded row group that is not in a file yet.
#[derive(Debug)]
pub(crate) struct Group(Vec<(Bytes, ColumnCloseResult)>);

impl Group {
    /// Returns the encoded bytes of each column, in the order in which they will be in the file.
    pub(crate) fn columns(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(|(bytes, _)| &**bytes)
    }
}

/// Writer of a Parquet file.
pub(crate) struct Writer<W: io::Write + Send>(SerializedFileWriter<W>);

impl<W: io::Write + Send> Writer<W> {
    pub(crate) fn new(out: W, layout: Layout) -> io::Result<Self> {
        SerializedFileWriter::new(out, layout.schema.root_schema_ptr(), layout.properties).map(Self).map_err(io_error)
    }

    pub(crate) fn append(&mut self, group: Group) -> io::Result<()> {
        let append = || {
            let mut rows = self.0.next_row_group()?;
            for (bytes, closed) in group.0 {
                rows.append_column(&bytes, closed)?;
            }
            rows.close()
        };
        append().map(|_| ()).map_err(io_error)
    }

    /// Returns the metadata of the row groups in the file so far.
    pub(crate) fn groups(&self) -> &[RowGroupMetaData] {
        self.0.flushed_row_groups()
    }

    /// Adds an entry to the metadata of the file.
    pub(crate) fn add_metadata(&mut self, name: &str, value: String) {
        self.0.append_key_value_metadata(KeyValue::new(name.to_owned(), value));
    }

    /// Completes the file and returns the underlying writer.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(io_error)
    }
}

/// Converts an error. An underlying I/O error keeps its kind, which shows whether the reader of a stream has closed it.
pub(crate) fn io_error(e: ParquetError) -> io::Error {
    match e {
        ParquetError::External(e) => match e.downcast::<io::Error>() {
            Ok(e) => *e,
            Err(e) => io::Error::other(e),
        },
        e => io::Error::other(e),
    }
}
