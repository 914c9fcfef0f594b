//! Parquet files: histories of other programs, parts of the lake, and the footers of parts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Type as PhysicalType};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use pipeline::lake::memory::Memory;
use pipeline::lake::{Key, Lake, ObjectMeta, head};
use pipeline::record::{PARTS, Reading};
use ruminate::history::{InputFile, InputSettings};
use ruminate::parts::{Content, Month, Part, PartName, PartRow, PartWriter};
use tokio::runtime::Runtime;
use xxhash_rust::xxh3::xxh3_128;

use crate::corpus;
use crate::engine::{Target, Verdict, check_reason, same};
use crate::runs::runtime;

/// Rows of a written file.
const ROWS: usize = 40;

/// Writes a file of readings with this schema.
pub fn table(schema: &str, compression: Compression, version: WriterVersion, dictionary: bool) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_dictionary_enabled(dictionary)
        .set_data_page_row_count_limit(16)
        .set_write_batch_size(16)
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::clone(&schema), Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut at = 0;
    while let Some(mut column) = group.next_column().unwrap() {
        let is_optional = schema.get_fields()[at].is_optional();
        let levels: Vec<i16> = (0..ROWS).map(|row| i16::from(!is_optional || row % 7 > 0)).collect();
        let levels = is_optional.then_some(&levels[..]);
        let rows = levels.map_or(ROWS, |levels| levels.iter().filter(|level| **level > 0).count());
        let is_time = schema.get_fields()[at].name() == "data";
        match column.untyped() {
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                let text = |row: usize| if is_time { "2023-01-01 00:00:00 UTC".into() } else { format!("{row}") };
                let values: Vec<ByteArray> = (0..rows).map(|row| ByteArray::from(&*text(row))).collect();
                writer.write_batch(&values, levels, None).unwrap();
            }
            ColumnWriter::DoubleColumnWriter(writer) => {
                let values: Vec<f64> = (0..rows).map(|row| 450.5 + row as f64).collect();
                writer.write_batch(&values, levels, None).unwrap();
            }
            ColumnWriter::FloatColumnWriter(writer) => {
                let values: Vec<f32> = (0..rows).map(|row| 9.25 + row as f32).collect();
                writer.write_batch(&values, levels, None).unwrap();
            }
            ColumnWriter::Int32ColumnWriter(writer) => {
                let values: Vec<i32> = (0..rows).map(|row| 19_358 + row as i32).collect();
                writer.write_batch(&values, levels, None).unwrap();
            }
            ColumnWriter::Int64ColumnWriter(writer) => {
                let values: Vec<i64> = (0..rows).map(|row| 1_672_531_200_000 + row as i64).collect();
                writer.write_batch(&values, levels, None).unwrap();
            }
            ColumnWriter::BoolColumnWriter(writer) => {
                writer.write_batch(&vec![true; rows], levels, None).unwrap();
            }
            ColumnWriter::FixedLenByteArrayColumnWriter(writer) => {
                let value = FixedLenByteArray::from(ByteArray::from(vec![0, 0, 7, 9]));
                writer.write_batch(&vec![value; rows], levels, None).unwrap();
            }
            ColumnWriter::Int96ColumnWriter(_) => unreachable!("{:?}", PhysicalType::INT96),
        }
        column.close().unwrap();
        at += 1;
    }
    group.close().unwrap();
    file.into_inner().unwrap()
}

pub const TEXTS: &str = "message a { required binary id_curral (UTF8); required binary id_raca (UTF8); required binary id_lote (UTF8); required double peso_entrada; required double peso_medio; required binary data (UTF8); required int32 quantidade_animais; required int32 dia_confinamento; required double consumo_real; required binary cod_cliente (UTF8); }";
const TYPES: &str = "message b { optional int64 id_curral; required int32 id_raca (UINT_32); optional binary id_lote; optional float peso_entrada; optional int64 peso_medio (DECIMAL(18,3)); required int64 data (TIMESTAMP(MILLIS,true)); required int32 quantidade_animais; optional double dia_confinamento; optional fixed_len_byte_array(4) consumo_real (DECIMAL(9,2)); required binary cod_cliente (UTF8); optional boolean nota; optional int32 dia (DATE); }";

fn tables() -> Vec<Vec<u8>> {
    use WriterVersion::{PARQUET_1_0, PARQUET_2_0};
    vec![
        table(TEXTS, Compression::UNCOMPRESSED, PARQUET_1_0, true),
        table(TEXTS, Compression::SNAPPY, PARQUET_1_0, false),
        table(TEXTS, Compression::ZSTD(parquet::basic::ZstdLevel::default()), PARQUET_2_0, true),
        table(TYPES, Compression::UNCOMPRESSED, PARQUET_2_0, false),
        table(TYPES, Compression::GZIP(parquet::basic::GzipLevel::default()), PARQUET_1_0, true),
        table(TYPES, Compression::LZ4_RAW, PARQUET_1_0, false),
        table(
            "message c { required group a { repeated group b { required double c; } } }"
                .replace("repeated group b { required double c; }", "required double c;")
                .as_str(),
            Compression::UNCOMPRESSED,
            PARQUET_1_0,
            false,
        ),
    ]
}

#[test]
fn a_history_in_parquet_is_read_or_rejected() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.parquet");
    let name = "parquet_files::a_history_in_parquet_is_read_or_rejected";
    Target { words: &["PAR1", "id_curral", "peso_medio", "data"], ..Target::new(name, 2_500, tables()) }.run(|bytes| {
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        history(&path)
    });
}

/// Messages of a file, and the error at their end.
fn read(path: &Path) -> (Vec<Bytes>, Option<String>) {
    let file = match InputFile::open(path, InputSettings::default()) {
        Ok(file) => file,
        Err(e) => return (Vec::new(), Some(e.to_string())),
    };
    let (mut messages, mut error) = (Vec::new(), None);
    for message in file {
        match message {
            Ok(message) => messages.push(message.body),
            Err(e) => error = Some(e.to_string()),
        }
    }
    (messages, error)
}

fn history(path: &Path) -> Verdict {
    let found = read(path);
    same("read again", &read(path), &found)?;
    let (messages, error) = found;
    error.as_deref().map_or(Ok(()), check_reason)?;
    let readings = messages.iter().filter(|message| Reading::parse(message).is_ok()).count();
    Ok(readings > 0)
}

const LAKE: &str = "s3://bucket/lake";

fn name() -> PartName {
    let day = chrono::NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    PartName { farm: "fazenda_um".into(), month: Month::of(day), day: None }
}

/// Returns rows of a month: records, and objects without one.
fn rows() -> Vec<PartRow> {
    let mut rows: Vec<PartRow> = (0..40_u32)
        .map(|n| {
            let mut record = corpus::record(corpus::messages()[0].as_slice());
            record.reading.cod_cliente = "FazendaUm".into();
            let day = chrono::NaiveDate::from_ymd_opt(2023, 1, 1 + n / 16).unwrap();
            record.reading.data = day.and_hms_milli_opt(0, 0, n % 60, n).unwrap().and_utc();
            record.id_treated_data = pipeline::record::reading_id(&record.reading).to_string();
            let body = if n % 9 == 0 { format!("{{\"n\":{n}}}").into_bytes() } else { record.object_from_values() };
            let meta = ObjectMeta {
                key: Key::of(&record).unwrap().to_string(),
                size: body.len() as u64,
                etag: format!("{n:032x}"),
                last_modified: corpus::processed(),
                class: pipeline::lake::StorageClass::default(),
                restored: false,
                archived: false,
                version: None,
            };
            PartRow::new(meta, Content::parse(&body), body.into())
        })
        .collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn part() -> Vec<u8> {
    let mut writer = PartWriter::new(Vec::new(), &name(), LAKE, true).unwrap();
    rows().iter().for_each(|row| writer.push(row).unwrap());
    writer.finish(&BTreeMap::new()).unwrap().out
}

/// Returns the rows of a part, or why it is not trusted.
fn trusted(runtime: &Runtime, file: &[u8]) -> Result<Vec<PartRow>, String> {
    let parts = Memory::default().sibling(PARTS);
    runtime.block_on(async {
        parts.put_new(&name().key(), file.to_vec().into()).await.map_err(|e| e.to_string())?;
        let meta = head(&*parts, &name().key()).await.map_err(|e| e.to_string())?.ok_or("it is missing")?;
        let part = Part::open(parts, meta, &name(), LAKE).await.map_err(|e| e.to_string())?;
        Arc::new(part).read_rows().await.map_err(|e| e.to_string())
    })
}

#[test]
fn a_damaged_part_has_all_of_its_rows_or_is_not_trusted() {
    let (runtime, rows) = (runtime(), rows());
    let name = "parquet_files::a_damaged_part_has_all_of_its_rows_or_is_not_trusted";
    Target { words: &["PAR1", "ruminate.parte"], ..Target::new(name, 1_500, vec![part()]) }.run(|bytes| match trusted(
        &runtime, bytes,
    ) {
        Ok(found) => same("the rows", &found, &rows).map(|()| true),
        Err(why) => check_reason(&why).map(|()| false),
    });
}

/// Returns a part with another footer, and its hash.
fn with_footer(part: &[u8], footer: &str) -> Vec<u8> {
    let metadata = metadata_of(part);
    let file = metadata.file_metadata();
    let entries = file.key_value_metadata().unwrap().iter().map(|entry| match &*entry.key {
        "ruminate.parte" => KeyValue::new(entry.key.clone(), footer.to_owned()),
        "ruminate.parte.xxh3" => KeyValue::new(entry.key.clone(), format!("{:032x}", xxh3_128(footer.as_bytes()))),
        _ => entry.clone(),
    });
    let replaced = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(entries.collect()),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let groups: Vec<RowGroupMetaData> = metadata.row_groups().to_vec();
    let mut end = Vec::new();
    ParquetMetaDataWriter::new(&mut end, &ParquetMetaData::new(replaced, groups)).finish().unwrap();
    [&part[..part.len() - 8 - length_of_footer(part)], &end].concat()
}

fn length_of_footer(part: &[u8]) -> usize {
    let length: [u8; 4] = part[part.len() - 8..part.len() - 4].try_into().unwrap();
    u32::from_le_bytes(length) as usize
}

fn metadata_of(part: &[u8]) -> ParquetMetaData {
    let end = part.len() - 8;
    ParquetMetaDataReader::decode_metadata(&part[end - length_of_footer(part)..end]).unwrap()
}

#[test]
fn a_forged_footer_of_a_part_costs_neither_memory_nor_a_panic() {
    let (runtime, part) = (runtime(), part());
    let metadata = metadata_of(&part);
    let footer =
        metadata.file_metadata().key_value_metadata().unwrap().iter().find(|entry| entry.key == "ruminate.parte");
    let footer = footer.unwrap().value.clone().unwrap();
    assert_eq!(trusted(&runtime, &with_footer(&part, &footer)).unwrap(), rows());
    let name = "parquet_files::a_forged_footer_of_a_part_costs_neither_memory_nor_a_panic";
    let words =
        &["\"format\":2,", "\"rows\":18446744073709551615,", "\"first_row\":1,", "\"bodies\":false,", "\"x\":1,"];
    Target { words, ..Target::new(name, 1_200, vec![footer.into_bytes()]) }.run(|bytes| {
        let Ok(footer) = std::str::from_utf8(bytes) else { return Ok(false) };
        match trusted(&runtime, &with_footer(&part, footer)) {
            Ok(_) => Ok(true),
            Err(why) => {
                let format =
                    serde_json::from_str::<serde_json::Value>(footer).ok().and_then(|footer| footer["format"].as_u64());
                let is_other = format.is_some_and(|format| format != 1 && format <= u64::from(u32::MAX));
                crate::engine::ensure(!is_other || why.contains("format"), || format!("format {format:?}: {why}"))?;
                check_reason(&why).map(|()| false)
            }
        }
    });
}
