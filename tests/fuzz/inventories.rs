//! S3 Inventories: the manifest, and its files as CSV and Parquet.

use std::io::{Seek as _, Write as _};

use parquet::basic::Compression;
use parquet::file::properties::WriterVersion;
use pipeline::lake::ObjectMeta;
use ruminate::inventory::{FileFormat, Manifest, read_objects};
use serde_json::json;

use crate::engine::{Target, Verdict, check_reason, ensure, same};
use crate::parquet_files::table;

const SCHEMA: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";
const LINES: &str = "\"bucket\",\"p/fazenda_um/2023/01/01/s%C3%A3o+a%2B.json\",\"v1\",\"true\",\"false\",\"434\",\"2023-01-01T00:00:00.000Z\",\"70ee1738b6b21e2c8a43f3a5ab0eee71\",\"STANDARD\"\n\"bucket\",\"p/old\",\"v0\",\"false\",\"false\",\"1\",\"2022-01-01T00:00:00Z\",\"a\",\"GLACIER\"\n\"bucket\",\"p/b\",\"\",\"true\",\"false\",\"0\",\"2023-01-01T00:00:00.5-03:00\",\"\"\"a-2\"\"\",\"\"\n";

#[test]
fn a_manifest_is_read_or_rejected() {
    let manifest = |format: &str| {
        json!({
            "sourceBucket": "bucket", "destinationBucket": "arn:aws:s3:::store", "version": "2016-11-30",
            "creationTimestamp": "1768878000000", "fileFormat": format, "fileSchema": SCHEMA,
            "files": [{"key": "inv/data/1.gz", "size": 7, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}],
        })
    };
    let corpus = ["CSV", "Parquet", "ORC"].map(|format| manifest(format).to_string().into_bytes()).to_vec();
    let words =
        &["\"fileFormat\":\"Avro\",", "\"files\":[],", "\"size\":-1,", "\"creationTimestamp\":\"8210266876799999\","];
    let name = "inventories::a_manifest_is_read_or_rejected";
    Target { words, ..Target::new(name, 10_000, corpus) }.run(|bytes| {
        let parse = || Manifest::parse("inv/manifest.json", bytes).map_err(|e| e.to_string());
        let manifest = parse();
        same("parsed again", &parse(), &manifest)?;
        match manifest {
            Ok(manifest) => {
                let used = manifest.check("bucket").and_then(|()| manifest.created());
                used.err().map_or(Ok(()), |e| check_reason(&e.to_string()))?;
                Ok(true)
            }
            Err(why) => check_reason(&why).map(|()| false),
        }
    });
}

/// Returns the objects of a file, twice.
fn objects(format: FileFormat, bytes: &[u8]) -> Result<Result<Vec<ObjectMeta>, String>, String> {
    let read = || {
        let mut file = tempfile::tempfile().map_err(|e| e.to_string())?;
        file.write_all(bytes).and_then(|()| file.rewind()).map_err(|e| e.to_string())?;
        read_objects(format, SCHEMA, file).map_err(|e| e.to_string())
    };
    let found = read();
    same("read again", &read(), &found)?;
    if let Err(why) = &found {
        check_reason(why)?;
    }
    Ok(found)
}

#[test]
fn the_objects_of_an_inventory_in_csv_are_the_same_after_they_were_written_again() {
    let seal = |bytes: Vec<u8>, rng: &mut fastrand::Rng| {
        let mut compressed = gzip(&bytes);
        if rng.u8(..10) == 0 {
            let at = rng.usize(..compressed.len());
            compressed[at] ^= 1 << rng.u8(..8);
        }
        compressed
    };
    let words = &["\"", "\",\"", "%", "%F0%9F", "+", "\"false\"", "\n\"bucket\",\""];
    let name = "inventories::the_objects_of_an_inventory_in_csv_are_the_same_after_they_were_written_again";
    Target { words, seal, ..Target::new(name, 2_500, vec![LINES.as_bytes().to_vec()]) }.run(in_csv);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(bytes).unwrap();
    compressed.finish().unwrap()
}

fn in_csv(bytes: &[u8]) -> Verdict {
    let Ok(found) = objects(FileFormat::Csv, bytes)? else { return Ok(false) };
    let mut lines = csv::Writer::from_writer(Vec::new());
    for object in &found {
        let key: String =
            percent_encoding::utf8_percent_encode(&object.key, percent_encoding::NON_ALPHANUMERIC).to_string();
        let time = object.last_modified.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let (size, class) = (object.size.to_string(), object.class.to_string());
        let cells = ["bucket", &key, "", "true", "false", &size, &time, &object.etag, &class];
        lines.write_record(cells).map_err(|e| e.to_string())?;
    }
    let written = gzip(&lines.into_inner().map_err(|e| e.to_string())?);
    let again = objects(FileFormat::Csv, &written)?.map_err(|e| format!("written and rejected: {e}"))?;
    same("written and read again", &again, &found)?;
    Ok(!found.is_empty())
}

#[test]
fn an_inventory_in_parquet_is_read_or_rejected() {
    let schema = "message s3 { required binary bucket (UTF8); required binary key (UTF8); optional boolean is_latest; optional boolean is_delete_marker; required int64 size; required int64 last_modified_date (TIMESTAMP(MILLIS,true)); optional binary e_tag (UTF8); optional binary storage_class (UTF8); }";
    let corpus = vec![
        table(schema, Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0, true),
        table(schema, Compression::SNAPPY, WriterVersion::PARQUET_1_0, true),
        table(
            &schema.replace("optional binary e_tag", "required binary e_tag"),
            Compression::UNCOMPRESSED,
            WriterVersion::PARQUET_1_0,
            false,
        ),
    ];
    let name = "inventories::an_inventory_in_parquet_is_read_or_rejected";
    Target { words: &["PAR1", "key", "size"], ..Target::new(name, 2_000, corpus) }.run(|bytes| {
        let found = objects(FileFormat::Parquet, bytes)?;
        ensure(found.as_ref().is_ok_and(|found| found.len() < 1_000_000) || found.is_err(), || {
            "a million objects".into()
        })?;
        Ok(found.is_ok_and(|found| !found.is_empty()))
    });
}
