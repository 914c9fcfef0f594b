//! Any flat Parquet file, as pandas, Spark or DuckDB write it: its columns with their types, read row by row.
//!
//! Memory is bounded by the pages of the file's columns, whose sizes [`super::limits`] checks first, and by a batch of rows.
//! The mapping of a record's columns is in [`super`]; here a file decides its columns.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::FooterTail;
use parquet::file::reader::{ChunkReader as _, FileReader, Length as _, SerializedFileReader};

use super::cell::{Cell, CellType};
use super::limits::{check_joined, check_metadata, check_pages};

/// Maximum number of rows that are decoded together, and the memory for them in bytes: each may have a value of a whole page.
const BATCH: usize = 256;
const BATCH_BYTES: u64 = 32 << 20;

/// Maximum size of a text or binary value; the rest of a longer one is not read. No message is as long.
const MAX_VALUE_BYTES: usize = 512 << 10;

/// Number of bytes at the end of a file: the length of the metadata, and the magic bytes.
const TAIL: u64 = 8;

/// A column of a file.
#[derive(Debug, Clone)]
pub(crate) struct TableColumn {
    /// Name of the column; parts of a nested name are separated by points.
    pub name: String,
    /// Type of its values; `None` if they are lists or structures.
    pub kind: Option<CellType>,
    /// Its type as text, for messages.
    pub shown: String,
}

/// A Parquet file that is being read.
pub(crate) struct Table {
    file: SerializedFileReader<File>,
    /// The same file, to check its pages.
    pages: File,
    /// Maximum ratio of decompressed to compressed size.
    max_ratio: u64,
    columns: Vec<TableColumn>,
    /// Index of the next row group.
    next_group: usize,
    /// Readers of the current row group, one per column.
    readers: Vec<ColumnReader>,
    /// Rows of the current row group that are decoded together.
    batch_rows: usize,
    /// Rows of the current row group that are not decoded yet.
    left: usize,
    /// Decoded values, one list per column.
    batch: Vec<std::vec::IntoIter<Value>>,
    /// Rows in the batch.
    ready: usize,
}

/// A decoded value. A text is a part of its page, and is only copied for its row.
enum Value {
    Cell(Cell),
    Bytes(ByteArray),
}

impl Table {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or is damaged.
    pub(crate) fn open(file: File, max_ratio: u64) -> Result<Self, ParquetError> {
        let pages = file.try_clone()?;
        let metadata = metadata(&pages)?;
        check_metadata(&metadata)?;
        let file = guarded(|| SerializedFileReader::new(file))?;
        let footer = pages.len().saturating_sub(TAIL + metadata.len() as u64);
        check_joined(&pages, file.metadata().row_groups(), footer)?;
        let schema = file.metadata().file_metadata().schema_descr();
        let columns = schema.columns().iter().map(|column| TableColumn {
            name: column.path().string(),
            kind: CellType::of(column),
            shown: super::cell::shown(column),
        });
        let columns = columns.collect();
        Ok(Self {
            file,
            pages,
            max_ratio,
            columns,
            next_group: 0,
            readers: Vec::new(),
            batch_rows: BATCH,
            left: 0,
            batch: Vec::new(),
            ready: 0,
        })
    }

    /// Returns the columns of the file.
    pub(crate) fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    /// Decodes the next row into `row`, one value per column. Returns false after the last row.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is damaged, or a column has lists or structures.
    pub(crate) fn read(&mut self, row: &mut Vec<Cell>) -> Result<bool, ParquetError> {
        while self.ready == 0 {
            if self.left == 0 && !guarded(|| self.open_group())? {
                return Ok(false);
            }
            guarded(|| self.decode())?;
        }
        self.ready -= 1;
        row.clear();
        for (values, column) in self.batch.iter_mut().zip(&self.columns) {
            let value = values.next();
            let value = value.ok_or_else(|| ParquetError::General("a column has fewer rows than others".into()))?;
            row.push(value.into_cell(column.kind));
        }
        Ok(true)
    }

    /// Opens the next row group. Returns false after the last one.
    fn open_group(&mut self) -> Result<bool, ParquetError> {
        if self.next_group >= self.file.num_row_groups() {
            return Ok(false);
        }
        let group = self.file.get_row_group(self.next_group)?;
        self.next_group += 1;
        let memory = check_pages(&self.pages, group.metadata(), self.max_ratio)?;
        self.batch_rows = usize::try_from(BATCH_BYTES / memory.max(1)).unwrap_or(BATCH).clamp(1, BATCH);
        self.left = usize::try_from(group.metadata().num_rows()).map_err(|e| ParquetError::External(e.into()))?;
        self.readers = (0..self.columns.len()).map(|at| group.get_column_reader(at)).collect::<Result<_, _>>()?;
        Ok(true)
    }

    fn decode(&mut self) -> Result<(), ParquetError> {
        let rows = self.left.min(self.batch_rows);
        self.left -= rows;
        self.batch.clear();
        for (reader, column) in self.readers.iter_mut().zip(&self.columns) {
            let kind = column.kind.ok_or_else(|| ParquetError::General(format!("column {} is nested", column.name)))?;
            let values = values(reader, kind, rows)?;
            if values.len() != rows {
                return Err(ParquetError::EOF(format!("column {} has fewer rows than others", column.name)));
            }
            self.batch.push(values.into_iter());
        }
        self.ready = rows;
        Ok(())
    }
}

impl Value {
    fn into_cell(self, kind: Option<CellType>) -> Cell {
        match (self, kind) {
            (Self::Bytes(bytes), Some(kind)) => {
                let bytes = bytes.data();
                kind.of_bytes(&bytes[..bytes.len().min(MAX_VALUE_BYTES)])
            }
            (Self::Bytes(_), None) => Cell::Null,
            (Self::Cell(cell), _) => cell,
        }
    }
}

/// Returns the metadata at the end of a file.
fn metadata(file: &File) -> Result<bytes::Bytes, ParquetError> {
    let truncated = || ParquetError::EOF("it is too short".into());
    let end = file.len().checked_sub(TAIL).ok_or_else(truncated)?;
    let tail: [u8; TAIL as usize] = file.get_bytes(end, TAIL as usize)?[..].try_into().map_err(|_| truncated())?;
    let length = FooterTail::try_new(&tail)?.metadata_length();
    file.get_bytes(end.checked_sub(length as u64).ok_or_else(truncated)?, length)
}

/// Runs a step of the decoder. It panics on some damaged data (parquet 60), which is an error of the file here.
fn guarded<T>(step: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let step = catch_unwind(AssertUnwindSafe(step));
    step.unwrap_or_else(|_| Err(ParquetError::General("its data is damaged".to_owned())))
}

/// Decodes values of a column: [`Cell::Null`] for a row without one.
fn values(reader: &mut ColumnReader, kind: CellType, rows: usize) -> Result<Vec<Value>, ParquetError> {
    let int = |value: i64, bits: u32| Value::Cell(kind.of_int(value, bits));
    match reader {
        ColumnReader::BoolColumnReader(reader) => read(reader, rows, |value| Value::Cell(Cell::Bool(value))),
        ColumnReader::Int32ColumnReader(reader) => read(reader, rows, |value| int(i64::from(value), 32)),
        ColumnReader::Int64ColumnReader(reader) => read(reader, rows, |value| int(value, 64)),
        ColumnReader::Int96ColumnReader(reader) => {
            read(reader, rows, |value| Value::Cell(Cell::of_micros(value.to_micros())))
        }
        ColumnReader::FloatColumnReader(reader) => read(reader, rows, |value| Value::Cell(Cell::Float(value))),
        ColumnReader::DoubleColumnReader(reader) => read(reader, rows, |value| Value::Cell(Cell::Double(value))),
        ColumnReader::ByteArrayColumnReader(reader) => read(reader, rows, Value::Bytes),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            read(reader, rows, |value| Value::Bytes(ByteArray::from(value)))
        }
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    value: impl Fn(T::T) -> Value,
) -> Result<Vec<Value>, ParquetError> {
    let (mut levels, mut found) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    reader.read_records(rows, Some(&mut levels), None, &mut found)?;
    let mut found = found.into_iter().map(value);
    if levels.is_empty() {
        return Ok(found.collect()); // a required column has a value in every row
    }
    let null = || Value::Cell(Cell::Null);
    Ok(levels.into_iter().map(|level: i16| if level > 0 { found.next() } else { None }.unwrap_or_else(null)).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::{FixedLenByteArray, Int96};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Writes two row groups of two rows: values that are there, and nulls in optional columns.
    fn written(path: &Path) {
        let schema = "message m {
            optional boolean flag; required int32 whole; optional int64 nanos (TIMESTAMP(NANOS,false));
            required int32 unsigned (INTEGER(32,false)); optional int32 day (DATE); required int64 price (DECIMAL(18,3));
            optional binary wide (DECIMAL(30,2)); required fixed_len_byte_array(4) fixed (DECIMAL(9,1));
            optional int96 old; optional float f; required double d; optional binary text (STRING); optional binary raw; }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut file =
            SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(WriterProperties::default()))
                .unwrap();
        for _ in 0..2 {
            let mut group = file.next_row_group().unwrap();
            let mut at = 0;
            while let Some(mut column) = group.next_column().unwrap() {
                let levels = Some(&[1, 0][..]);
                match column.untyped() {
                    ColumnWriter::BoolColumnWriter(column) => column.write_batch(&[true], levels, None),
                    ColumnWriter::Int32ColumnWriter(column) if at == 4 => column.write_batch(&[19_358], levels, None),
                    ColumnWriter::Int32ColumnWriter(column) => column.write_batch(&[7, -1], None, None),
                    ColumnWriter::Int64ColumnWriter(column) if at == 2 => {
                        column.write_batch(&[1_672_531_200_123_456_789], levels, None)
                    }
                    ColumnWriter::Int64ColumnWriter(column) => column.write_batch(&[234_941, -5], None, None),
                    ColumnWriter::Int96ColumnWriter(column) => {
                        let mut value = Int96::new();
                        value.set_data(0, 0, 2_459_946);
                        column.write_batch(&[value], levels, None)
                    }
                    ColumnWriter::FloatColumnWriter(column) => column.write_batch(&[234.941], levels, None),
                    ColumnWriter::DoubleColumnWriter(column) => column.write_batch(&[0.1, 2.0], None, None),
                    ColumnWriter::ByteArrayColumnWriter(column) if at == 6 => {
                        column.write_batch(&[vec![0xff, 0x85].into()], levels, None)
                    }
                    ColumnWriter::ByteArrayColumnWriter(column) if at == 12 => {
                        column.write_batch(&[vec![0xff, 0x00].into()], levels, None)
                    }
                    ColumnWriter::ByteArrayColumnWriter(column) => column.write_batch(&["São".into()], levels, None),
                    ColumnWriter::FixedLenByteArrayColumnWriter(column) => {
                        let of = |value: i32| FixedLenByteArray::from(value.to_be_bytes().to_vec());
                        column.write_batch(&[of(15), of(-15)], None, None)
                    }
                }
                .unwrap();
                column.close().unwrap();
                at += 1;
            }
            group.close().unwrap();
        }
        file.close().unwrap();
    }

    #[test]
    fn every_type_is_read_as_what_it_means() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.parquet");
        written(&path);
        let mut table = Table::open(File::open(&path).unwrap(), 250).unwrap();
        let (mut row, mut rows) = (Vec::new(), Vec::new());
        while table.read(&mut row).unwrap() {
            rows.push(format!("{row:?}"));
        }
        let first = r#"[Bool(true), Int(7), Time(2023-01-01T00:00:00.123456Z), Int(7), Time(2023-01-01T00:00:00Z), Decimal("234.941"), Decimal("-1.23"), Decimal("1.5"), Time(2023-01-01T00:00:00Z), Float(234.941), Double(0.1), Text("São"), Bytes([255, 0])]"#;
        let second = r#"[Null, Int(-1), Null, Int(4294967295), Null, Decimal("-0.005"), Null, Decimal("-1.5"), Null, Null, Double(2.0), Null, Null]"#;
        assert_eq!(rows, [first, second, first, second]);
        let names: Vec<_> = table.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!((names[0], names[12], names.len()), ("flag", "raw", 13));
    }

    #[test]
    fn joined_files_are_an_error() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.parquet");
        written(&path);
        let twice = std::fs::read(&path).unwrap().repeat(2);
        std::fs::write(&path, twice).unwrap();
        let e = Table::open(File::open(&path).unwrap(), 250).err().unwrap().to_string();
        assert!(e.contains("another file before its footer"), "{e}");
    }
}
