//! B10: Parquet files as `generate` writes them, and as other programs do.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::input_files::{json, scene};
use super::input_rejected::rejected;

#[test]
fn b10_what_generate_writes_as_parquet_is_read_as_the_lines_that_it_writes() {
    let scene = scene();
    let generate =
        ["generate", "--farms", "2", "--lots", "20", "--days", "5", "--start", "2024-01-01", "--seed", "3", "--out"];
    scene.run(&[&generate[..], &["h.ndjson"]].concat()).expect(0, &[]);
    scene.run(&[&generate[..], &["h.parquet"]].concat()).expect(0, &[]);
    let first = scene.run(&["backfill", "h.parquet"]);
    let read = first.json["read"].as_u64().unwrap();
    first.expect(0, &[("written", read), ("inserted", read)]);
    assert_eq!((&first.json["inputs"][0]["format"], read > 100), (&"parquet".into(), true));
    scene.run(&["backfill", "h.ndjson"]).expect(0, &[("read", read), ("existing", read), ("identical", read)]);
    scene.run(&["publish", "--topic", "local", "h.parquet"]).expect(0, &[("read", read), ("published", read)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", read), ("lake_objects", read)]);
}

/// Writes a file of three readings whose columns have these types, with the number of rows in `--rows` per row group.
struct Columns<'a> {
    ids: &'a str,
    weights: &'a str,
    time: &'a str,
    counts: &'a str,
    farm: &'a str,
}

const PLAIN: Columns<'_> = Columns {
    ids: "binary X (STRING)",
    weights: "double X",
    time: "binary X (STRING)",
    counts: "int32 X",
    farm: "binary X (STRING)",
};

impl Columns<'_> {
    fn write(&self, path: &Path, compression: Compression) {
        let column = |kind: &str, name: &str| format!("optional {};", kind.replace('X', name));
        let columns = [
            column(self.ids, "ID_CURRAL"),
            column(self.ids, "id_raca"),
            column(self.ids, "id_lote"),
            column(self.weights, "peso_entrada"),
            column(self.weights, "Peso Médio"),
            column(self.time, "data"),
            column(self.counts, "quantidade_animais"),
            column(self.counts, "dia_confinamento"),
            column(self.weights, "consumo_real"),
            column(self.farm, "cod_cliente"),
            column("int64 X", "extra"),
        ];
        let schema = format!("message m {{ {} }}", columns.concat().replace("Peso Médio", "PesoMedio"));
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
        for rows in [1..=2_i64, 3..=3] {
            let mut group = file.next_row_group().unwrap();
            let mut at = 0;
            while let Some(mut writer) = group.next_column().unwrap() {
                let pens: Vec<i64> = rows.clone().collect();
                let value = |pen: i64| [pen as f64, 2.0, 3.0, 450.5, 451.0, 0.0, 51.0, 66.0, 9.5, 0.0, 7.0][at];
                write(writer.untyped(), &pens, at, value);
                writer.close().unwrap();
                at += 1;
            }
            group.close().unwrap();
        }
        file.close().unwrap();
    }
}

const MIDNIGHT: i64 = 1_672_531_200;

fn write(writer: &mut ColumnWriter<'_>, pens: &[i64], at: usize, value: impl Fn(i64) -> f64) {
    let levels = vec![1_i16; pens.len()];
    let levels = Some(&levels[..]);
    let scale = if matches!(at, 3 | 4 | 8) { 1_000.0 } else { 1.0 };
    let texts = || {
        let text = |pen: i64| match at {
            5 => "2023-01-01 00:00:00 UTC".to_owned(),
            9 => "FazendaUm".to_owned(),
            _ => value(pen).to_string(),
        };
        pens.iter().map(|pen| text(*pen).into_bytes().into()).collect::<Vec<_>>()
    };
    match writer {
        ColumnWriter::ByteArrayColumnWriter(writer) => writer.write_batch(&texts(), levels, None),
        ColumnWriter::DoubleColumnWriter(writer) => {
            writer.write_batch(&pens.iter().map(|pen| value(*pen)).collect::<Vec<_>>(), levels, None)
        }
        ColumnWriter::FloatColumnWriter(writer) => {
            writer.write_batch(&pens.iter().map(|pen| value(*pen) as f32).collect::<Vec<_>>(), levels, None)
        }
        ColumnWriter::Int32ColumnWriter(writer) if at == 5 => {
            writer.write_batch(&vec![(MIDNIGHT / 86_400) as i32; pens.len()], levels, None)
        }
        ColumnWriter::Int32ColumnWriter(writer) => {
            writer.write_batch(&pens.iter().map(|pen| value(*pen) as i32).collect::<Vec<_>>(), levels, None)
        }
        ColumnWriter::Int64ColumnWriter(writer) if at == 5 => {
            // The unit is in the schema; the tests use nanoseconds and milliseconds.
            writer.write_batch(&vec![UNIT.get() * MIDNIGHT; pens.len()], levels, None)
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            writer.write_batch(&pens.iter().map(|pen| (value(*pen) * scale) as i64).collect::<Vec<_>>(), levels, None)
        }
        _ => panic!("a type that no test uses"),
    }
    .unwrap();
}

thread_local! {
    /// Units of time per second in the file to write.
    static UNIT: std::cell::Cell<i64> = const { std::cell::Cell::new(1_000) };
}

#[test]
fn b10_parquet_of_other_programs_is_the_same_readings() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let cases = [
        (PLAIN, 1_000, Compression::UNCOMPRESSED),
        (Columns { ids: "int64 X", counts: "int64 X", ..PLAIN }, 1_000, Compression::SNAPPY),
        (Columns { ids: "double X", counts: "double X", ..PLAIN }, 1_000, zstd),
        (Columns { weights: "float X", ..PLAIN }, 1_000, Compression::GZIP(Default::default())),
        (Columns { weights: "int64 X (DECIMAL(18,3))", ..PLAIN }, 1_000, Compression::LZ4_RAW),
        (Columns { time: "int64 X (TIMESTAMP(NANOS,false))", ..PLAIN }, 1_000_000_000, zstd),
        (Columns { time: "int64 X (TIMESTAMP(MILLIS,true))", ..PLAIN }, 1_000, zstd),
        (Columns { time: "int32 X (DATE)", ids: "binary X", ..PLAIN }, 1_000, zstd),
        (Columns { weights: "binary X (STRING)", counts: "binary X (STRING)", farm: "binary X", ..PLAIN }, 1_000, zstd),
    ];
    for (columns, unit, compression) in cases {
        let scene = scene();
        UNIT.set(unit);
        columns.write(&scene.path("x.parquet"), compression);
        std::fs::write(scene.path("x.json"), [1, 2, 3].map(json).join("\n")).unwrap();
        scene.run(&["backfill", "x.json"]).expect(0, &[("written", 3)]);
        let ran = scene.run(&["backfill", "x.parquet"]);
        ran.expect(0, &[("read", 3), ("existing", 3), ("identical", 3), ("rejected", 0)]);
        scene.run(&["publish", "--topic", "local", "x.parquet"]).expect(0, &[("published", 3)]);
        scene.run(&["reconcile"]).expect(0, &[("matched", 3)]);
    }
}

fn file(columns: &Columns<'_>) -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.parquet");
    UNIT.set(1_000);
    columns.write(&path, Compression::UNCOMPRESSED);
    std::fs::read(path).unwrap()
}

#[test]
fn b10_parquet_that_is_not_readings_is_rejected_once() {
    let whole = file(&PLAIN);
    rejected("x.parquet", &whole[..whole.len() - 9], &[], &["damaged or truncated Parquet file"]);
    rejected("x.parquet", super::input_files::gzipped(&whole), &[], &["compressed Parquet"]);
    rejected(
        "x.parquet",
        file(&Columns { time: "int64 X", ..PLAIN }),
        &[],
        &["column data has the type INT64", "TIMESTAMP"],
    );
    let mut renamed = whole.clone();
    while let Some(at) = renamed.windows(7).position(|name| name == b"id_lote") {
        renamed[at..at + 7].copy_from_slice(b"id_loti");
    }
    rejected("x.parquet", renamed, &[], &["no column id_lote"]);
    rejected("x.csv", &whole[..60], &[], &["damaged or truncated"]);
}
