//! Compressed files that decompress to gigabytes, and files that announce more than they have: rejected in little memory.

use std::io::{Cursor, Seek as _, Write as _};
use std::path::Path;

use parquet::basic::Compression;
use parquet::file::properties::WriterVersion;
use pipeline::record::{Record, Rejection};
use ruminate::compression::CompressionFormat;
use ruminate::fleet::exchange_entries;
use ruminate::history::{InputFile, InputSettings};
use ruminate::inventory::{FileFormat, read_objects};
use ruminate::truth;

use crate::memory::limited;
use crate::parquet_files::{TEXTS, table};

/// Returns a file that decompresses to this start and 2 GB of one character.
fn bomb(start: &str, format: CompressionFormat) -> Vec<u8> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    format.compress(start.as_bytes(), &mut first).unwrap();
    format.compress(&vec![b'x'; 8 << 20], &mut rest).unwrap();
    [first, rest.repeat(256)].concat()
}

const BOTH: [CompressionFormat; 2] = [CompressionFormat::Gzip, CompressionFormat::Zstd];

#[test]
fn a_record_that_decompresses_to_gigabytes_is_rejected() {
    for format in BOTH {
        let bomb = bomb("{\"a\":\"", format);
        let why = limited(|| Record::parse(&bomb)).unwrap().unwrap_err();
        assert!(matches!(why, Rejection::ExpandsTooFar { .. }), "{why}");
    }
}

#[test]
fn a_history_that_decompresses_to_gigabytes_is_rejected() {
    for format in BOTH {
        let bomb = bomb("{\"a\":1}\n", format);
        let end = limited(|| {
            let settings =
                InputSettings { max_expansion: ruminate::compression::MaxExpansion(10), ..InputSettings::default() };
            let file = InputFile::from_reader(Path::new("x.json"), Cursor::new(bomb.clone()), settings).unwrap();
            file.last().unwrap().map(|message| message.line).map_err(|e| e.to_string())
        });
        let why = end.unwrap().unwrap_err();
        assert!(why.contains("more than 10 times as large"), "{why}");
    }
}

#[test]
fn a_truth_file_of_one_endless_line_is_rejected() {
    for format in BOTH {
        let bomb = bomb("{\"ruminate_truth\":2,\"history\":{}}\n{\"file\":\"", format);
        let read = limited(|| {
            let open = ruminate::compression::open_decompressed(Cursor::new(bomb.clone())).unwrap();
            truth::read(open, |_| Ok(())).map_err(|e| format!("{e:#}"))
        });
        let why = read.unwrap().unwrap_err();
        assert!(why.contains("line 2") && why.contains("more than 1048576 bytes"), "{why}");
    }
}

#[test]
fn an_inventory_of_one_endless_line_is_rejected() {
    let bomb = bomb("\"bucket\",\"", CompressionFormat::Gzip);
    let read = limited(|| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bomb).and_then(|()| file.rewind()).unwrap();
        let schema = "Bucket, Key, Size, LastModifiedDate, ETag";
        read_objects(FileFormat::Csv, schema, file).map_err(|e| e.to_string())
    });
    let why = read.unwrap().unwrap_err();
    assert!(why.contains("a line of more than"), "{why}");
}

#[test]
fn an_exchange_file_that_decompresses_to_gigabytes_is_rejected() {
    let bomb = bomb("\u{1}\0\0\0x", CompressionFormat::Zstd);
    assert_eq!(limited(|| exchange_entries(&bomb)), Ok(None));
}

/// Every number in a Parquet file is replaced by the largest one: lengths, counts, offsets.
#[test]
fn a_parquet_file_that_announces_gigabytes_is_rejected() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.parquet");
    for compression in [Compression::SNAPPY, Compression::LZ4_RAW, Compression::UNCOMPRESSED] {
        let file = table(TEXTS, compression, WriterVersion::PARQUET_1_0, true);
        for at in (4..file.len()).step_by(3) {
            for large in [&b"\xfe\xff\xff\xff\x0f"[..], b"\xff\xff\xff\x7f"] {
                let changed = [&file[..at], large, &file[(at + 1).min(file.len())..]].concat();
                std::fs::write(&path, &changed).unwrap();
                let read = limited(|| InputFile::open(&path, InputSettings::default()).map(Iterator::count).ok());
                assert!(read.is_ok(), "{compression} {at}: {read:?}");
            }
        }
    }
}
