//! The form of a cache's files: Parquet with a row an object, the thirteen columns as doubles and times to the microsecond.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::{Known, invalid};
use pipeline::lake::Partition;
use pipeline::record::{Reading, Record};

/// The columns. `rejected` is why the object holds no record; it is empty where it holds one.
const MESSAGE: &str = "message objects {
    required binary key (UTF8);
    required binary etag (UTF8);
    required int64 size;
    required binary rejected (UTF8);
    required binary id_treated_data (UTF8);
    required binary id_curral (UTF8);
    required binary id_raca (UTF8);
    required binary id_lote (UTF8);
    required double peso_entrada;
    required double peso_medio;
    required int32 quantidade_animais;
    required int32 dia_confinamento;
    required double consumo_real;
    required double consumo_meta;
    required int64 data (TIMESTAMP(MICROS,true));
    required binary cod_cliente (UTF8);
    required int64 row_ts (TIMESTAMP(MICROS,true));
}";

/// By which rules objects were read: raised whenever [`Record::parse`] takes or refuses anything else than before.
const RULES: &str = "1";

/// What a file says of itself, by name.
fn says(lake: &str, partition: &Partition) -> [(&'static str, String); 3] {
    [
        ("ruminate.lake", lake.to_owned()),
        ("ruminate.partition", partition.prefix()),
        ("ruminate.rules", RULES.to_owned()),
    ]
}

/// Columns by their physical types, each kind in the order of the message.
#[derive(Default)]
struct Columns {
    texts: VecDeque<Vec<ByteArray>>,
    weights: VecDeque<Vec<f64>>,
    counts: VecDeque<Vec<i32>>,
    longs: VecDeque<Vec<i64>>,
}

/// A file of these objects.
///
/// # Errors
/// Never, as far as is known: it is written into memory.
pub(super) fn encode(known: &[Known], lake: &str, partition: &Partition) -> io::Result<Vec<u8>> {
    let says = says(lake, partition).map(|(name, value)| KeyValue::new(name.to_owned(), value)).into();
    Columns::of(known).write(says).map_err(io::Error::other)
}

/// The objects of a file.
///
/// # Errors
/// It is no such file, or is of another lake, partition or program.
pub(super) fn decode(bytes: Vec<u8>, lake: &str, partition: &Partition) -> io::Result<Vec<Known>> {
    let file = SerializedFileReader::new(Bytes::from(bytes)).map_err(io::Error::other)?;
    let meta = file.metadata().file_metadata();
    for (name, due) in says(lake, partition) {
        let said = meta.key_value_metadata().and_then(|said| said.iter().find(|said| said.key == name));
        if said.and_then(|said| said.value.as_ref()) != Some(&due) {
            return Err(invalid(&format!("it is not of {name} {due}")));
        }
    }
    let mut known = Vec::with_capacity(usize::try_from(meta.num_rows()).unwrap_or(0));
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(io::Error::other)?;
        let rows = usize::try_from(group.metadata().num_rows()).map_err(io::Error::other)?;
        let columns = Columns::read(&*group, rows).map_err(io::Error::other)?;
        known.extend(columns.into_known(rows).ok_or_else(|| invalid("its columns are others"))?);
    }
    Ok(known)
}

impl Columns {
    fn of(known: &[Known]) -> Self {
        let records: Vec<Option<&Record>> = known.iter().map(|known| known.held.as_deref().ok()).collect();
        let bytes = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        let of_text = |text: fn(&Record) -> &str| -> Vec<ByteArray> {
            records.iter().map(|record| bytes(record.map_or("", text))).collect()
        };
        let of_weight = |weight: fn(&Record) -> f64| -> Vec<f64> {
            records.iter().map(|record| record.map_or(0.0, weight)).collect()
        };
        let of_count =
            |count: fn(&Record) -> i32| -> Vec<i32> { records.iter().map(|record| record.map_or(0, count)).collect() };
        let of_time = |time: fn(&Record) -> DateTime<Utc>| -> Vec<i64> {
            records.iter().map(|record| record.map_or(0, |record| time(record).timestamp_micros())).collect()
        };
        let rejected = |known: &Known| bytes(known.held.as_ref().err().map_or("", String::as_str));
        Self {
            texts: [
                known.iter().map(|known| bytes(&known.key)).collect(),
                known.iter().map(|known| bytes(&known.etag)).collect(),
                known.iter().map(rejected).collect(),
                of_text(|record| &record.id_treated_data),
                of_text(|record| &record.reading.id_curral),
                of_text(|record| &record.reading.id_raca),
                of_text(|record| &record.reading.id_lote),
                of_text(|record| &record.reading.cod_cliente),
            ]
            .into(),
            weights: [
                of_weight(|record| record.reading.peso_entrada),
                of_weight(|record| record.reading.peso_medio),
                of_weight(|record| record.reading.consumo_real),
                of_weight(|record| record.consumo_meta),
            ]
            .into(),
            counts: [
                of_count(|record| record.reading.quantidade_animais),
                of_count(|record| record.reading.dia_confinamento),
            ]
            .into(),
            longs: [
                known.iter().map(|known| known.size.cast_signed()).collect(),
                of_time(|record| record.reading.data),
                of_time(|record| record.row_ts),
            ]
            .into(),
        }
    }

    fn write(mut self, says: Vec<KeyValue>) -> Result<Vec<u8>, ParquetError> {
        let schema = Arc::new(parse_message_type(MESSAGE)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_key_value_metadata(Some(says))
            .build();
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        let mut group = file.next_row_group()?;
        while let Some(mut column) = group.next_column()? {
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(writer) => put(writer, self.texts.pop_front())?,
                ColumnWriter::DoubleColumnWriter(writer) => put(writer, self.weights.pop_front())?,
                ColumnWriter::Int32ColumnWriter(writer) => put(writer, self.counts.pop_front())?,
                ColumnWriter::Int64ColumnWriter(writer) => put(writer, self.longs.pop_front())?,
                _ => return Err(ParquetError::General("a column of a kind that is not written".into())),
            }
            column.close()?;
        }
        group.close()?;
        file.into_inner()
    }

    fn read(group: &dyn RowGroupReader, rows: usize) -> Result<Self, ParquetError> {
        let mut columns = Self::default();
        for column in 0..group.num_columns() {
            match group.get_column_reader(column)? {
                ColumnReader::ByteArrayColumnReader(reader) => columns.texts.push_back(take(reader, rows)?),
                ColumnReader::DoubleColumnReader(reader) => columns.weights.push_back(take(reader, rows)?),
                ColumnReader::Int32ColumnReader(reader) => columns.counts.push_back(take(reader, rows)?),
                ColumnReader::Int64ColumnReader(reader) => columns.longs.push_back(take(reader, rows)?),
                _ => return Err(ParquetError::General("a column of a kind that is not written".into())),
            }
        }
        Ok(columns)
    }

    /// The objects of so many rows; `None` where the columns are not those of the message, all of that length.
    fn into_known(self, rows: usize) -> Option<Vec<Known>> {
        let texts: [Vec<ByteArray>; 8] = Vec::from(self.texts).try_into().ok()?;
        let weights: [Vec<f64>; 4] = Vec::from(self.weights).try_into().ok()?;
        let counts: [Vec<i32>; 2] = Vec::from(self.counts).try_into().ok()?;
        let longs: [Vec<i64>; 3] = Vec::from(self.longs).try_into().ok()?;
        let known = |at: usize| {
            let text = |column: usize| Some(texts[column].get(at)?.as_utf8().ok()?.to_owned());
            let weight = |column: usize| weights[column].get(at).copied();
            let count = |column: usize| counts[column].get(at).copied();
            let long = |column: usize| longs[column].get(at).copied();
            let time = |column: usize| DateTime::from_timestamp_micros(long(column)?);
            let rejected = text(2)?;
            let record = || {
                let reading = Reading {
                    id_curral: text(4)?,
                    id_raca: text(5)?,
                    id_lote: text(6)?,
                    peso_entrada: weight(0)?,
                    peso_medio: weight(1)?,
                    data: time(1)?,
                    quantidade_animais: count(0)?,
                    dia_confinamento: count(1)?,
                    consumo_real: weight(2)?,
                    cod_cliente: text(7)?,
                };
                let (id_treated_data, consumo_meta, row_ts) = (text(3)?, weight(3)?, time(2)?);
                Some(Box::new(Record { id_treated_data, reading, consumo_meta, row_ts }))
            };
            let held = if rejected.is_empty() { Ok(record()?) } else { Err(rejected) };
            Some(Known { key: text(0)?, etag: text(1)?, size: long(0)?.cast_unsigned(), held })
        };
        (0..rows).map(known).collect()
    }
}

fn put<T: DataType>(writer: &mut ColumnWriterImpl<'_, T>, values: Option<Vec<T::T>>) -> Result<(), ParquetError> {
    let values = values.ok_or_else(|| ParquetError::General("a column more than there are values for".into()))?;
    writer.write_batch(&values, None, None).map(drop)
}

fn take<T: DataType>(mut reader: ColumnReaderImpl<T>, rows: usize) -> Result<Vec<T::T>, ParquetError> {
    let mut values = Vec::with_capacity(rows);
    reader.read_records(rows, None, None, &mut values)?;
    Ok(values)
}
