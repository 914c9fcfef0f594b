//! gzip and zstd: files that are packed as they are written and unpacked as they are read.
//!
//! What is packed piece by piece is a member (gzip) or a frame (zstd) a piece. Pieces behind one another unpack to what they
//! held behind one another, so any thread can pack its own, and files can be joined.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How hard gzip tries, 1 to 9: about as long as making the lines takes; 6 would take twice that for a tenth less.
const GZIP_LEVEL: u32 = 3;

/// How hard zstd tries: its own default.
const ZSTD_LEVEL: i32 = 3;

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompressionFormat {
    /// They are not.
    #[default]
    None,
    /// gzip; names end in `.gz`.
    Gzip,
    /// zstd; names end in `.zst`.
    Zstd,
}

impl CompressionFormat {
    /// How a file of this name is packed, and its name without that ending.
    pub fn from_path(path: &Path) -> (Self, PathBuf) {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("gz") => (Self::Gzip, path.with_extension("")),
            Some("zst") => (Self::Zstd, path.with_extension("")),
            _ => (Self::None, path.to_owned()),
        }
    }

    /// What names of such files end in.
    pub fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Appends these bytes, packed, to `out`; the same bytes are packed the same on every machine.
    ///
    /// # Errors
    /// Never, as far as is known: all is in memory.
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

/// What a file holds, unpacked where it begins as gzip or zstd do, whatever its name says.
///
/// # Errors
/// It cannot be read. Reading on fails where it is cut short: what was whole comes before.
pub fn open_decompressed(input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    const ROOM: usize = 1 << 16;
    let mut input = BufReader::with_capacity(ROOM, input);
    let begin = input.fill_buf()?;
    Ok(if begin.starts_with(b"\x1f\x8b") {
        Box::new(BufReader::with_capacity(ROOM, MultiGzDecoder::new(input)))
    } else if begin.starts_with(b"\x28\xb5\x2f\xfd") {
        Box::new(BufReader::with_capacity(ROOM, zstd::Decoder::with_buffer(input)?))
    } else {
        Box::new(input)
    })
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
    fn pieces_are_read_as_one_and_what_is_not_packed_as_it_is() {
        for compression in [CompressionFormat::None, CompressionFormat::Gzip, CompressionFormat::Zstd] {
            let mut packed = Vec::new();
            for piece in [&b"one\n"[..], b"", b"two\n"] {
                compression.compress(piece, &mut packed).unwrap();
            }
            assert_eq!(read(packed).0, b"one\ntwo\n", "{compression:?}");
        }
    }

    #[test]
    fn what_was_cut_short_is_read_up_to_there_and_then_an_error() {
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
    fn names_say_how_they_are_packed() {
        let of = |name: &str| CompressionFormat::from_path(Path::new(name));
        assert_eq!(of("a/b.csv.gz"), (CompressionFormat::Gzip, "a/b.csv".into()));
        assert_eq!(of("b.ndjson.ZST"), (CompressionFormat::Zstd, "b.ndjson".into()));
        assert_eq!(of("b.json"), (CompressionFormat::None, "b.json".into()));
    }
}
