//! Decoding of row groups, or of some rows and columns of them, into values and records.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedPageReader;
use pipeline::record::{Column, Source};

use super::{Field, Times, Type};

/// Rows in memory, column by column.
pub(crate) struct RowGroup {
    columns: Vec<ReadColumn>,
    /// Index of each record column among the columns that were read.
    places: [usize; Column::COUNT],
}

struct ReadColumn {
    values: Values,
    times: Times,
    /// For an optional column with missing values, the index of each row's value.
    rows: Option<Vec<Option<usize>>>,
}

enum Values {
    Texts(Vec<ByteArray>),
    Doubles(Vec<f64>),
    Ints(Vec<i32>),
    Longs(Vec<i64>),
}

/// The columns differ from the file's, or a value is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch;

/// Columns of a row group, which are read forwards.
pub(crate) struct ColumnCursor {
    columns: Vec<(ColumnReader, Field)>,
}

impl ColumnCursor {
    /// Opens columns of a row group, each with its index in the file.
    ///
    /// # Errors
    ///
    /// Returns an error if the row group has no such columns, or if their places in the file are invalid.
    pub(crate) fn open<R: ChunkReader + 'static>(
        file: &Arc<R>,
        group: &RowGroupMetaData,
        fields: impl IntoIterator<Item = (usize, Field)>,
    ) -> Result<Self, ParquetError> {
        let rows = usize::try_from(group.num_rows()).map_err(|e| ParquetError::External(e.into()))?;
        let column = |(at, field)| {
            let chunk = group.columns().get(at).ok_or_else(differs)?;
            let pages = SerializedPageReader::new(Arc::clone(file), chunk, rows, None)?;
            Ok((get_column_reader(chunk.column_descr_ptr(), Box::new(pages)), field))
        };
        Ok(Self { columns: fields.into_iter().map(column).collect::<Result<_, ParquetError>>()? })
    }

    /// Skips rows.
    ///
    /// # Errors
    ///
    /// Returns an error if a column has fewer rows or is damaged.
    pub(crate) fn skip(&mut self, rows: usize) -> Result<(), ParquetError> {
        for (reader, _) in &mut self.columns {
            let skipped = match reader {
                ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(rows)?,
                ColumnReader::DoubleColumnReader(reader) => reader.skip_records(rows)?,
                ColumnReader::Int32ColumnReader(reader) => reader.skip_records(rows)?,
                ColumnReader::Int64ColumnReader(reader) => reader.skip_records(rows)?,
                _ => return Err(differs()),
            };
            if skipped != rows {
                return Err(differs());
            }
        }
        Ok(())
    }

    /// Reads the next rows.
    ///
    /// # Errors
    ///
    /// Returns an error if a column has fewer rows, has another type or is damaged.
    pub(crate) fn read(&mut self, rows: usize) -> Result<RowGroup, ParquetError> {
        let place = |column: Column| self.columns.iter().position(|(_, field)| field.name == column.name());
        let places = Column::ALL.map(|column| place(column).unwrap_or(usize::MAX));
        let columns = self.columns.iter_mut().map(|(reader, field)| ReadColumn::read(reader, field, rows));
        Ok(RowGroup { columns: columns.collect::<Result<_, _>>()?, places })
    }
}

impl RowGroup {
    /// Reads all columns of a row group.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is damaged or has columns of other types.
    pub(crate) fn read(group: &dyn RowGroupReader, fields: &[Field]) -> Result<Self, ParquetError> {
        let rows = usize::try_from(group.metadata().num_rows()).map_err(|e| ParquetError::External(e.into()))?;
        if group.num_columns() != fields.len() {
            return Err(differs());
        }
        let reader = |(at, field): (usize, &Field)| Ok((group.get_column_reader(at)?, *field));
        let columns = fields.iter().enumerate().map(reader).collect::<Result<_, ParquetError>>()?;
        ColumnCursor { columns }.read(rows)
    }

    /// Returns the text in a column, by its index; `None` if there is none.
    pub(crate) fn text(&self, column: usize, row: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes(column, row)?).ok()
    }

    /// Returns the bytes in a column, by its index; `None` if there are none.
    pub(crate) fn bytes(&self, column: usize, row: usize) -> Option<&[u8]> {
        let column = self.columns.get(column)?;
        let Values::Texts(texts) = &column.values else { return None };
        texts.get(column.at(row)?).map(ByteArray::data)
    }

    /// Returns the integer in a column, by its index; `None` if there is none.
    pub(crate) fn long(&self, column: usize, row: usize) -> Option<i64> {
        let column = self.columns.get(column)?;
        let Values::Longs(values) = &column.values else { return None };
        values.get(column.at(row)?).copied()
    }

    /// Returns a row as the source of a record.
    pub(crate) const fn record(&self, row: usize) -> RecordSource<'_> {
        RecordSource { group: self, row }
    }
}

fn differs() -> ParquetError {
    ParquetError::General("its columns do not match".into())
}

impl ReadColumn {
    fn read(reader: &mut ColumnReader, field: &Field, rows: usize) -> Result<Self, ParquetError> {
        let mut levels = field.optional.then(|| Vec::with_capacity(rows));
        let levels_of = &mut levels;
        let values = match (reader, field.kind) {
            (ColumnReader::ByteArrayColumnReader(reader), Type::Text | Type::Binary) => {
                Values::Texts(take(reader, rows, levels_of)?)
            }
            (ColumnReader::DoubleColumnReader(reader), Type::Double) => Values::Doubles(take(reader, rows, levels_of)?),
            (ColumnReader::Int32ColumnReader(reader), Type::Int) => Values::Ints(take(reader, rows, levels_of)?),
            (ColumnReader::Int64ColumnReader(reader), Type::Long | Type::Time(_)) => {
                Values::Longs(take(reader, rows, levels_of)?)
            }
            _ => return Err(ParquetError::General("a column of another type".into())),
        };
        let times = if let Type::Time(times) = field.kind { times } else { Times::Micros };
        let mut next = 0;
        let mut place = |level| {
            let at = next;
            next += usize::from(level > 0);
            (level > 0).then_some(at)
        };
        let has_gaps = |levels: &Vec<i16>| levels.contains(&0);
        let rows = levels.filter(has_gaps).map(|levels| levels.into_iter().map(&mut place).collect());
        Ok(Self { values, times, rows })
    }

    /// Returns the index of a row's value; `None` if it has none.
    #[inline]
    fn at(&self, row: usize) -> Option<usize> {
        self.rows.as_ref().map_or(Some(row), |rows| rows.get(row).copied().flatten())
    }
}

fn take<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Option<Vec<i16>>,
) -> Result<Vec<T::T>, ParquetError> {
    let mut values = Vec::with_capacity(rows);
    let (read, ..) = reader.read_records(rows, levels.as_mut(), None, &mut values)?;
    if read == rows { Ok(values) } else { Err(differs()) }
}

/// One row, from which a record is read.
pub(crate) struct RecordSource<'a> {
    group: &'a RowGroup,
    row: usize,
}

impl RecordSource<'_> {
    #[inline]
    fn column(&self, column: Column) -> Result<(&ReadColumn, usize), Mismatch> {
        let column = self.group.columns.get(self.group.places[column.index()]).ok_or(Mismatch)?;
        Ok((column, column.at(self.row).ok_or(Mismatch)?))
    }
}

impl Source for RecordSource<'_> {
    type Error = Mismatch;

    fn has(&mut self, column: Column) -> bool {
        self.column(column).is_ok()
    }

    fn text(&mut self, column: Column) -> Result<String, Mismatch> {
        self.group.text(self.group.places[column.index()], self.row).map(str::to_owned).ok_or(Mismatch)
    }

    fn weight(&mut self, column: Column) -> Result<f64, Mismatch> {
        let (column, at) = self.column(column)?;
        let Values::Doubles(values) = &column.values else { return Err(Mismatch) };
        values.get(at).copied().ok_or(Mismatch)
    }

    fn count(&mut self, column: Column) -> Result<i32, Mismatch> {
        let (column, at) = self.column(column)?;
        let Values::Ints(values) = &column.values else { return Err(Mismatch) };
        values.get(at).copied().ok_or(Mismatch)
    }

    fn instant(&mut self, column: Column) -> Result<DateTime<Utc>, Mismatch> {
        let (column, at) = self.column(column)?;
        let Values::Longs(values) = &column.values else { return Err(Mismatch) };
        let at = *values.get(at).ok_or(Mismatch)?;
        let at = match column.times {
            Times::Millis => DateTime::from_timestamp_millis(at),
            Times::Micros => DateTime::from_timestamp_micros(at),
        };
        at.ok_or(Mismatch)
    }
}
