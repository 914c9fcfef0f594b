//! Recognizes files that contain no readings as text, by their first bytes and not by their names.

use std::fmt;

/// Number of first bytes in which a text has no NUL.
const TEXT_BYTES: usize = 512;

/// Minimum length of a chunk of an upload that is not the last one.
const CHUNK_BYTES: usize = 8 * 1024;

/// Kind of a file that cannot be read, with what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsupported {
    Archive(&'static str, &'static str),
    Compressed(&'static str, &'static str),
    CompressedTwice,
    CompressedParquet,
    EncryptedParquet,
    ParquetInStream,
    Workbook,
    Document(&'static str),
    Database(&'static str),
    Columnar(&'static str),
    Markup,
    SqlDump,
    GitLfs,
    Utf32,
    UploadFraming,
    Binary,
}

use Unsupported::{Archive, Binary, Columnar, Compressed, Database, Document, GitLfs, SqlDump, Utf32, Workbook};

/// First bytes of the kinds that are recognized by them alone.
const MAGIC: [(&[u8], Unsupported); 30] = [
    (b"PK\x05\x06", Archive("ZIP", "unzip")),
    (b"Rar!\x1a\x07", Archive("RAR", "unrar x")),
    (b"7z\xbc\xaf\x27\x1c", Archive("7z", "7z x")),
    (b"BZh", Compressed("bzip2", "bunzip2")),
    (b"\xfd7zXZ\0", Compressed("xz", "unxz")),
    (b"\x04\x22\x4d\x18", Compressed("lz4", "lz4 -d")),
    (b"\x1f\x9d", Compressed("compress", "uncompress")),
    (b"\x89LZO\0", Compressed("lzop", "lzop -d")),
    (b"\xff\x06\0\0sNaPpY", Compressed("snappy", "snzip -d")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Workbook),
    (b"%PDF-", Document("a PDF document")),
    (b"{\\rtf", Document("an RTF document")),
    (b"\x89PNG\r\n", Document("an image")),
    (b"\xff\xd8\xff", Document("an image")),
    (b"SQLite format 3\0", Database("a SQLite database")),
    (b"\0\x01\0\0Standard Jet DB", Database("an Access database")),
    (b"\0\x01\0\0Standard ACE DB", Database("an Access database")),
    (b"Obj\x01", Columnar("Avro")),
    (b"ORC", Columnar("ORC")),
    (b"ARROW1", Columnar("Arrow (Feather)")),
    (b"\x89HDF\r\n", Columnar("HDF5")),
    (b"PARE", Unsupported::EncryptedParquet),
    (b"version https://git-lfs", GitLfs),
    (b"-- MySQL dump", SqlDump),
    (b"-- MariaDB dump", SqlDump),
    (b"-- PostgreSQL database dump", SqlDump),
    (b"PRAGMA foreign_keys", SqlDump),
    (b"INSERT INTO ", SqlDump),
    (b"\xff\xfe\0\0", Utf32),
    (b"\0\0\xfe\xff", Utf32),
];

impl Unsupported {
    /// Detects the kind from the decompressed first bytes. `None` if the file may be text.
    pub(super) fn of(head: &[u8], is_compressed: bool) -> Option<Self> {
        if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Some(*kind);
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        if head.starts_with(b"PK\x03\x04") {
            Some(zip(head))
        } else if head.starts_with(b"PAR1") && is_compressed {
            Some(Self::CompressedParquet)
        } else if head.starts_with(b"\x1f\x8b") || head.starts_with(b"\x28\xb5\x2f\xfd") {
            Some(Self::CompressedTwice)
        } else if is_zlib(head) {
            Some(Compressed("zlib", "pigz -dc < FILE"))
        } else if head.get(257..262) == Some(b"ustar") {
            Some(Archive("tar", "tar xf"))
        } else if is_markup(text) {
            Some(Self::Markup)
        } else if is_upload_framing(head) {
            Some(Self::UploadFraming)
        } else if is_binary(head) {
            Some(Binary)
        } else {
            None
        }
    }
}

/// Returns the compression of a file that was joined to a text without being decompressed: its first bytes are in a line,
/// where text has no such bytes.
pub(super) fn joined_compressed(line: &[u8]) -> Option<&'static str> {
    let has = |magic: &[u8]| memchr::memmem::find(line, magic).is_some();
    if line.is_ascii() {
        None
    } else if has(b"\x1f\x8b\x08") {
        Some("gzip")
    } else if has(b"\x28\xb5\x2f\xfd") {
        Some("zstd")
    } else {
        None
    }
}

/// Returns true for zlib data: its header of two bytes could also start a text, which has no control characters after it.
fn is_zlib(head: &[u8]) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | b'\x1a' | b'\x1e');
    matches!(head, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]) && head[..head.len().min(TEXT_BYTES)].iter().any(is_control)
}

/// Distinguishes workbooks from other ZIP archives by the name of their first entry.
fn zip(head: &[u8]) -> Unsupported {
    let name = head.get(30..).unwrap_or_default();
    let is_workbook = [&b"[Content_Types].xml"[..], b"_rels/", b"xl/", b"docProps/", b"mimetypeapplication/vnd.oasis"];
    if is_workbook.iter().any(|begin| name.starts_with(begin)) { Workbook } else { Archive("ZIP", "unzip") }
}

/// Returns true for HTML and XML, such as an error page that was saved under the name of a file.
fn is_markup(text: &[u8]) -> bool {
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    text.first() == Some(&b'<') && text.get(1).is_some_and(u8::is_ascii_alphabetic)
        || begins(b"<!doctype")
        || begins(b"<?xml")
        || begins(b"<!--")
}

/// Returns true for the framing of an upload (aws-chunked) that a store saved as part of the file: the length of the
/// first chunk in hexadecimal, perhaps with a signature, and the chunk.
fn is_upload_framing(head: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(head, b"\r\n") else { return false };
    let (length, signature) = match memchr::memmem::find(&head[..end], b";chunk-signature=") {
        Some(at) => (&head[..at], true),
        None => (&head[..end], false),
    };
    let length = str::from_utf8(length).ok().filter(|length| length.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(length) = length.and_then(|length| usize::from_str_radix(length, 16).ok()).filter(|n| *n > 0) else {
        return false;
    };
    // A line may be a number by chance, but hardly the length of the text that follows.
    let chunk = &head[end + 2..];
    signature || chunk.get(length..).is_some_and(|rest| rest.starts_with(b"\r\n0")) || is_cut_chunk(chunk, length)
}

/// Returns true if a chunk is longer than the first bytes of the file, and starts like readings.
fn is_cut_chunk(chunk: &[u8], length: usize) -> bool {
    length > chunk.len() && length >= CHUNK_BYTES && chunk.first().is_some_and(|byte| !byte.is_ascii_digit())
}

/// Returns true if a NUL is among the first bytes, except those that fill a field: before a delimiter, a quote or the end of
/// its line.
fn is_binary(head: &[u8]) -> bool {
    let begin = &head[..head.len().min(TEXT_BYTES)];
    let ends_field = |byte: &u8| matches!(byte, b'"' | b'\r' | b'\n') || super::csv::DELIMITERS.contains(byte);
    let is_fill = |at: usize| head[at..].iter().find(|byte| **byte != 0).is_some_and(ends_field);
    memchr::memchr_iter(0, begin).any(|at| !is_fill(at))
        && begin.iter().any(|&byte| byte != 0)
        && super::utf16::detect(head).is_none()
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Archive(kind, command) => write!(f, "it is a {kind} archive: extract it ({command}) and pass its files"),
            Compressed(kind, command) => {
                write!(f, "it is compressed with {kind}: decompress it ({command}), or use gzip or zstd")
            }
            Self::CompressedTwice => f.write_str("it is compressed twice: decompress it once and run again"),
            Self::CompressedParquet => {
                f.write_str("it is a compressed Parquet file: decompress it first, because Parquet is read from its end")
            }
            Self::EncryptedParquet => f.write_str("it is an encrypted Parquet file: write it without encryption"),
            Self::ParquetInStream => {
                f.write_str("it is Parquet, which is read from its end: pass it as a file instead of a stream")
            }
            Workbook => f.write_str("it is a workbook (Excel or OpenDocument): save the sheet as CSV UTF-8 and pass that"),
            Document(kind) => write!(f, "it is {kind}: readings are accepted as NDJSON, CSV or Parquet"),
            Database(kind) => write!(f, "it is {kind}: export the table as CSV and pass that"),
            Columnar(kind) => write!(f, "it is {kind}: convert it to Parquet, CSV or NDJSON and pass that"),
            Self::Markup => f.write_str(
                "it is HTML or XML and not readings: perhaps an error page was saved in place of the file; get the file again",
            ),
            SqlDump => f.write_str("it is an SQL dump: load it into a database, export the table as CSV and pass that"),
            GitLfs => f.write_str("it is a pointer of Git LFS and not the file itself: run `git lfs pull`"),
            Self::UploadFraming => f.write_str(
                "it contains the framing of its upload (aws-chunked): upload it again with AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
            ),
            Utf32 => f.write_str("it is UTF-32: convert it (iconv -f UTF-32 -t UTF-8) and run again"),
            Binary => f.write_str("it is binary data in an unknown format: pass NDJSON, CSV or Parquet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(head: &[u8]) -> String {
        Unsupported::of(head, false).map(|kind| kind.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_file_without_text_is_recognized_by_its_first_bytes() {
        let mut tar = vec![0; 512];
        tar[..5].copy_from_slice(b"a.csv");
        tar[257..262].copy_from_slice(b"ustar");
        let zip = |name: &str| [&b"PK\x03\x04"[..], &[0; 26], name.as_bytes()].concat();
        let cases: [(&[u8], &str); 16] = [
            (&zip("[Content_Types].xml"), "workbook"),
            (&zip("a.csv"), "unzip"),
            (&tar, "tar xf"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1xls", "workbook"),
            (b"%PDF-1.7", "PDF"),
            (b"SQLite format 3\0", "export"),
            (b"Obj\x01\x04", "Avro"),
            (b"ORC\x01", "ORC"),
            (b"BZh91AY", "bunzip2"),
            (b"\x1f\x8b\x08", "twice"),
            (b"\x78\x9c\xab\x56\xca\x4c\x89\x4f\x2e\x2d\x2a\x4a\xcc\x51\xb2\x52\x32\x54\xaa\x05\0", "zlib"),
            (b"\x78\x01\x01\x07\0\xf8\xff{", "zlib"),
            (b"  <!DOCTYPE html><html>", "error page"),
            (b"<Error><Code>AccessDenied</Code>", "error page"),
            (b"\x7fELF\x02\0\0", "binary"),
            (b"-- MySQL dump 10.13", "SQL dump"),
        ];
        for (head, expected) in cases {
            assert!(shown(head).contains(expected), "{expected}: {}", shown(head));
        }
    }

    #[test]
    fn the_framing_of_an_upload_is_recognized() {
        let signature = "0".repeat(64);
        let signed = format!("12c;chunk-signature={signature}\r\n{{");
        let plain = "7\r\n{\"a\":1}\r\n0\r\nx-amz-checksum-crc32:+H0IvQ==\r\n\r\n";
        let long = format!("10000\r\n{{{}", " ".repeat(9_000));
        for text in [&signed, plain, &long] {
            assert!(shown(text.as_bytes()).contains("aws-chunked"), "{text:?}");
        }
        for text in ["7\r\n{\"a\":1}\r\n", "7\r\n8\r\n", "12c\n{", "abc\r\n1;2", "a,b\r\n1,2\r\n", "20000\r\n30000\r\n"]
        {
            assert_eq!(Unsupported::of(text.as_bytes(), false), None, "{text:?}");
        }
    }

    #[test]
    fn text_is_not_mistaken_for_another_format() {
        for text in [
            &b"id_curral,id_raca"[..],
            b"{\"a\":1}",
            b"",
            b"<=>?@^_|~",
            b"\xef\xbb\xbf{",
            b"<\n",
            b"\0\0\0",
            b"id_curral,id_raca\n1\0\0,\"2\0\"\n3,4\0\0\0\r\n",
            b"BZ",
            b"x^2,y\r\n1,2",
        ] {
            assert_eq!(Unsupported::of(text, false), None, "{text:?}");
        }
    }
}
