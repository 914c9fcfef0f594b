//! Compression with gzip and zstd while files are written, and decompression while they are read.
//!
//! Each compressed chunk is one member (gzip) or frame (zstd). Concatenated chunks decompress to their concatenated
//! content, so threads can compress chunks independently, and files can be joined.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

mod expansion;

pub use expansion::MaxExpansion;
use expansion::{Counted, Limited};

/// gzip level, 1 to 9. Level 3 takes about as long as generating the lines; 6 would take twice that for a tenth less
/// size.
const GZIP_LEVEL: u32 = 3;

/// zstd level: its default.
const ZSTD_LEVEL: i32 = 3;

/// Compression format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompressionFormat {
    /// Not compressed.
    #[default]
    None,
    /// gzip; file names end in `.gz`.
    Gzip,
    /// zstd; file names end in `.zst`.
    Zstd,
}

impl CompressionFormat {
    /// Returns the format by the extension of `path`, and the path without that extension.
    pub fn from_path(path: &Path) -> (Self, PathBuf) {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("gz") => (Self::Gzip, path.with_extension("")),
            Some("zst") => (Self::Zstd, path.with_extension("")),
            _ => (Self::None, path.to_owned()),
        }
    }

    /// Returns the file name extension of the format, with its dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Appends `bytes`, compressed, to `out`. The result is the same on every machine.
    ///
    /// # Errors
    ///
    /// Returns an error if the encoder fails; none is known, because everything is in memory.
    pub fn compress(self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::None => out.extend_from_slice(bytes),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for CompressionFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(format!("{text:?} is unknown: use gzip, zstd or none")),
        }
    }
}

/// Returns a reader that decompresses `input` if it starts like gzip or zstd, regardless of its name.
///
/// # Errors
///
/// Returns an error if `input` cannot be read. For a truncated input, the reader returns an error after the complete
/// data.
pub fn open_decompressed(input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    open_decompressed_within(input, MaxExpansion::DEFAULT)
}

/// Returns a reader as [`open_decompressed`], with a limit on the size of the decompressed content.
///
/// # Errors
///
/// As [`open_decompressed`]. If the limit is exceeded, the reader returns an error.
pub fn open_decompressed_within(
    input: impl Read + Send + 'static,
    max: MaxExpansion,
) -> io::Result<Box<dyn BufRead + Send>> {
    const ROOM: usize = 1 << 16;
    let mut input = BufReader::with_capacity(ROOM, input);
    let begin = input.fill_buf()?;
    let format = match begin {
        [0x1f, 0x8b, ..] => CompressionFormat::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => CompressionFormat::Zstd,
        _ => return Ok(Box::new(input)),
    };
    let (input, used) = Counted::new(input);
    let content: Box<dyn Read + Send> = match format {
        CompressionFormat::Zstd => Box::new(zstd::Decoder::with_buffer(input)?),
        CompressionFormat::Gzip | CompressionFormat::None => Box::new(MultiGzDecoder::new(input)),
    };
    Ok(Box::new(BufReader::with_capacity(ROOM, Limited::new(content, used, max))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKED: [CompressionFormat; 2] = [CompressionFormat::Gzip, CompressionFormat::Zstd];

    fn read(bytes: Vec<u8>) -> (Vec<u8>, io::Result<usize>) {
        let mut found = Vec::new();
        let done = open_decompressed(io::Cursor::new(bytes)).and_then(|mut input| input.read_to_end(&mut found));
        (found, done)
    }

    #[test]
    fn chunks_are_read_as_one_and_uncompressed_data_unchanged() {
        for compression in [CompressionFormat::None, CompressionFormat::Gzip, CompressionFormat::Zstd] {
            let mut packed = Vec::new();
            for piece in [&b"one\n"[..], b"", b"two\n"] {
                compression.compress(piece, &mut packed).unwrap();
            }
            assert_eq!(read(packed).0, b"one\ntwo\n", "{compression:?}");
        }
    }

    #[test]
    fn truncated_data_is_read_up_to_its_end_and_then_an_error() {
        let text = (0..50_000_u32).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        for compression in PACKED {
            let mut packed = Vec::new();
            compression.compress(text.as_bytes(), &mut packed).unwrap();
            packed.truncate(packed.len() - 100);
            let (found, done) = read(packed);
            assert!(done.is_err() && found.len() > 1_000 && text.as_bytes().starts_with(&found), "{compression:?}");
        }
    }

    #[test]
    fn content_that_is_too_large_for_its_file_is_an_error() {
        const MIB: usize = 1 << 20;
        let zeros = vec![b'0'; 100 * MIB];
        for compression in PACKED {
            let mut packed = Vec::new();
            compression.compress(&zeros, &mut packed).unwrap();
            let length = |max| {
                let mut content = open_decompressed_within(io::Cursor::new(packed.clone()), MaxExpansion(max)).unwrap();
                io::copy(&mut content, &mut io::sink())
            };
            let e = length(250).unwrap_err().to_string();
            assert!(e.contains("more than 250 times") && e.contains("--max-decompression-ratio"), "{e}");
            assert_eq!(length(1_000_000).unwrap(), 100 * MIB as u64, "{compression:?}");
            let mut small = Vec::new();
            compression.compress(&zeros[..50 * MIB], &mut small).unwrap();
            assert_eq!(read(small).0.len(), 50 * MIB, "{compression:?}: a small content needs no limit");
        }
    }

    #[test]
    fn the_extension_determines_the_format() {
        let of = |name: &str| CompressionFormat::from_path(Path::new(name));
        assert_eq!(of("a/b.csv.gz"), (CompressionFormat::Gzip, "a/b.csv".into()));
        assert_eq!(of("b.ndjson.ZST"), (CompressionFormat::Zstd, "b.ndjson".into()));
        assert_eq!(of("b.json"), (CompressionFormat::None, "b.json".into()));
    }
}
