//! Readings as Parquet: columns made by any thread, put one behind the other as row groups.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use parquet::basic::Compression;
use parquet::column::writer::{ColumnCloseResult, get_column_writer, get_typed_column_writer};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use crate::herd::{COLUMNS, Reading, push_whole};

/// The ten fields as numbers, times and texts; ids are texts as everywhere, though they are digits.
const MESSAGE: &str = "message readings {
    required binary id_curral (UTF8);
    required binary id_raca (UTF8);
    required binary id_lote (UTF8);
    required double peso_entrada;
    required double peso_medio;
    required int64 data (TIMESTAMP(MILLIS,true));
    required int32 quantidade_animais;
    required int32 dia_confinamento;
    required double consumo_real;
    required binary cod_cliente (UTF8);
}";

/// Columns of few different values in a row group: a dictionary makes them small.
const REPEATING: [&str; 5] = ["id_raca", "data", "quantidade_animais", "dia_confinamento", "cod_cliente"];

/// Readings by column.
#[derive(Debug, Default)]
pub(super) struct Columns {
    id_curral: Texts,
    id_raca: Texts,
    id_lote: Texts,
    peso_entrada: Vec<f64>,
    peso_medio: Vec<f64>,
    data: Vec<i64>,
    quantidade_animais: Vec<i32>,
    dia_confinamento: Vec<i32>,
    consumo_real: Vec<f64>,
    cod_cliente: Texts,
}

/// Texts, one behind the other.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn push_number(&mut self, number: u64) {
        push_whole(&mut self.bytes, number);
        self.ends.push(self.bytes.len());
    }

    fn take(&mut self) -> Vec<ByteArray> {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let mut begin = 0;
        let slice = |end| ByteArray::from(bytes.slice(std::mem::replace(&mut begin, end)..end));
        self.ends.drain(..).map(slice).collect()
    }
}

/// What the file cannot be written for; of a stream it says whether its reader has gone.
fn io_error(e: ParquetError) -> io::Error {
    match e {
        ParquetError::External(e) => match e.downcast::<io::Error>() {
            Ok(e) => *e,
            Err(e) => io::Error::other(e),
        },
        e => io::Error::other(e),
    }
}

/// A row group that is not in a file yet.
#[derive(Debug)]
pub(super) struct Group(Vec<(Bytes, ColumnCloseResult)>);

impl Columns {
    pub(super) fn push(&mut self, reading: &Reading<'_>) {
        let days = reading.data.signed_duration_since(NaiveDate::default()).num_days();
        self.id_curral.push_number(reading.id_curral);
        self.id_raca.push(reading.id_raca.id().as_bytes());
        self.id_lote.push_number(reading.id_lote);
        self.peso_entrada.push(f64::from(reading.peso_entrada_g) / 1e3);
        self.peso_medio.push(f64::from(reading.peso_medio_g) / 1e3);
        self.data.push(days * 86_400_000);
        self.quantidade_animais.push(reading.quantidade_animais.cast_signed());
        self.dia_confinamento.push(reading.dia_confinamento.cast_signed());
        self.consumo_real.push(f64::from(reading.consumo_real_mg) / 1e6);
        self.cod_cliente.push(reading.cod_cliente.as_bytes());
    }

    /// Makes a row group of them and begins anew.
    pub(super) fn encode(&mut self) -> io::Result<Group> {
        self.encoded().map_err(io_error)
    }

    fn encoded(&mut self) -> Result<Group, ParquetError> {
        let form = TableForm::new()?;
        let group = Group(vec![
            form.column::<ByteArrayType>(0, &self.id_curral.take())?,
            form.column::<ByteArrayType>(1, &self.id_raca.take())?,
            form.column::<ByteArrayType>(2, &self.id_lote.take())?,
            form.column::<DoubleType>(3, &self.peso_entrada)?,
            form.column::<DoubleType>(4, &self.peso_medio)?,
            form.column::<Int64Type>(5, &self.data)?,
            form.column::<Int32Type>(6, &self.quantidade_animais)?,
            form.column::<Int32Type>(7, &self.dia_confinamento)?,
            form.column::<DoubleType>(8, &self.consumo_real)?,
            form.column::<ByteArrayType>(9, &self.cod_cliente.take())?,
        ]);
        self.peso_entrada.clear();
        self.peso_medio.clear();
        self.data.clear();
        self.quantidade_animais.clear();
        self.dia_confinamento.clear();
        self.consumo_real.clear();
        Ok(group)
    }
}

/// What all files have in common.
struct TableForm {
    schema: SchemaDescriptor,
    properties: WriterPropertiesPtr,
}

impl TableForm {
    fn new() -> Result<Self, ParquetError> {
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type(MESSAGE)?));
        // What a file says of its columns is kept until its end, so it says it of row groups and not of pages.
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        for name in COLUMNS.into_iter().filter(|name| !REPEATING.contains(name)) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
        }
        Ok(Self { schema, properties: Arc::new(properties.build()) })
    }

    fn column<T: DataType>(&self, at: usize, values: &[T::T]) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let mut out = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut out));
        let column = get_column_writer(self.schema.column(at), Arc::clone(&self.properties), pages);
        let mut column = get_typed_column_writer::<T>(column);
        column.write_batch(values, None, None)?;
        let closed = column.close()?;
        Ok((out.into_inner()?.into(), closed))
    }
}

/// A file that is being written.
pub(super) struct TableWriter<W: io::Write + Send>(SerializedFileWriter<W>);

impl<W: io::Write + Send> TableWriter<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let form = TableForm::new().map_err(io_error)?;
        SerializedFileWriter::new(out, form.schema.root_schema_ptr(), form.properties).map(Self).map_err(io_error)
    }

    pub(super) fn append(&mut self, group: Group) -> io::Result<()> {
        let append = || {
            let mut rows = self.0.next_row_group()?;
            for (bytes, closed) in group.0 {
                rows.append_column(&bytes, closed)?;
            }
            rows.close()
        };
        append().map(|_| ()).map_err(io_error)
    }

    /// Ends the file and gives the writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(io_error)
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;
    use crate::herd::{Faults, Format, Herd};

    #[test]
    fn a_table_holds_the_readings_of_the_lines() {
        let herd = Herd::try_new(2, 30, 4, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), 1).unwrap();
        let faults =
            Faults::parse("duplicate=0.1,corrected=0.1,unknown_farm=0.1,zero=0.1,missing=0.1,late=0.2").unwrap();
        let (mut columns, mut lines) = (Columns::default(), Vec::new());
        let mut table = TableWriter::new(Vec::new()).unwrap();
        for unit in herd.files() {
            herd.each_reading(unit, &faults, |line| {
                if line.is_delivered() {
                    columns.push(&line.reading);
                }
            });
            table.append(columns.encode().unwrap()).unwrap();
            herd.write_unit(unit, Format::Csv, &faults, &mut lines);
        }
        let file = SerializedFileReader::new(Bytes::from(table.finish().unwrap())).unwrap();
        assert_eq!(file.num_row_groups(), 8);
        let rows = file.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            let text = |at| row.get_string(at).unwrap().clone();
            let day = chrono::DateTime::from_timestamp_millis(row.get_timestamp_millis(5).unwrap()).unwrap();
            let (in_weight, weight, intake) = (row.get_double(3), row.get_double(4), row.get_double(8));
            let (in_weight, weight, intake) = (in_weight.unwrap(), weight.unwrap(), intake.unwrap());
            let (head, days) = (row.get_int(6).unwrap(), row.get_int(7).unwrap());
            let day = day.format("%Y-%m-%d %H:%M:%S UTC");
            format!("{},{},{},{in_weight},{weight},{day},{head},{days},{intake},{}", text(0), text(1), text(2), text(9))
        });
        let text = String::from_utf8(lines).unwrap();
        assert!(rows.eq(text.lines().filter(|line| !line.starts_with("id_")).map(str::to_owned)));
    }
}
