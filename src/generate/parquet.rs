//! Readings as Parquet: columns encoded by any thread, and written as row groups.

use std::io;

use chrono::NaiveDate;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use pipeline::record::Column;

use crate::herd::{FIELDS, Reading, push_whole};
use crate::parquet::{Buffer, Field, Group, Layout, Times, Writer};

/// Columns with few distinct values per row group, which a dictionary makes small.
const REPEATING: [Column; 5] =
    [Column::IdRaca, Column::Data, Column::QuantidadeAnimais, Column::DiaConfinamento, Column::CodCliente];

/// Readings by column, in the order of [`FIELDS`].
#[derive(Debug)]
pub(super) struct ColumnBuffers([Buffer; FIELDS.len()]);

/// Returns the field of a column. Ids are strings, as in the other formats, although they consist of digits.
fn field(column: Column) -> Field {
    Field::of(column, Times::Millis)
}

/// Returns the layout of all files.
fn layout() -> io::Result<Layout> {
    // Column metadata stays in memory until the end of a file, so statistics are per row group and not per page.
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in FIELDS.into_iter().filter(|column| !REPEATING.contains(column)) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name()), false);
    }
    Layout::new("readings", &FIELDS.map(field), properties.build())
}

/// Creates a writer of a file.
pub(super) fn writer<W: io::Write + Send>(out: W) -> io::Result<Writer<W>> {
    Writer::new(out, layout()?)
}

impl Default for ColumnBuffers {
    fn default() -> Self {
        Self(FIELDS.map(|column| Buffer::new(&field(column))))
    }
}

impl ColumnBuffers {
    pub(super) fn push(&mut self, reading: &Reading<'_>) {
        let days = reading.data.signed_duration_since(NaiveDate::default()).num_days();
        let [curral, raca, lote, entrada, medio, data, animais, dia, real, cliente] = &mut self.0;
        curral.push_text_with(|out| push_whole(out, reading.id_curral));
        raca.push_text(reading.id_raca.id());
        lote.push_text_with(|out| push_whole(out, reading.id_lote));
        entrada.push_double(f64::from(reading.peso_entrada_g) / 1e3);
        medio.push_double(f64::from(reading.peso_medio_g) / 1e3);
        data.push_long(days * 86_400_000);
        animais.push_int(reading.quantidade_animais.cast_signed());
        dia.push_int(reading.dia_confinamento.cast_signed());
        real.push_double(f64::from(reading.consumo_real_mg) / 1e6);
        cliente.push_text(reading.cod_cliente);
    }

    /// Encodes the readings as a row group and clears the buffers.
    pub(super) fn encode(&mut self) -> io::Result<Group> {
        layout()?.encode(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;
    use crate::herd::{Faults, Herd, LineFormat};

    #[test]
    fn a_parquet_file_contains_the_readings_of_the_lines() {
        let herd = Herd::try_new(2, 30, 4, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), 1).unwrap();
        let faults =
            Faults::parse("duplicate=0.1,corrected=0.1,unknown_farm=0.1,zero=0.1,missing=0.1,late=0.2").unwrap();
        let (mut columns, mut lines) = (ColumnBuffers::default(), Vec::new());
        let mut table = writer(Vec::new()).unwrap();
        for unit in herd.files() {
            herd.each_reading(unit, &faults, |line| {
                if line.is_delivered() {
                    columns.push(&line.reading);
                }
            });
            table.append(columns.encode().unwrap()).unwrap();
            herd.write_unit(unit, LineFormat::Csv, &faults, &mut lines);
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
