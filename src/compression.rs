//! Compression with gzip and zstd while files are written, and decompression while they are read.
//!
//! Each compressed chunk is one member (gzip) or frame (zstd). Concatenated chunks decompress to their concatenated
//! content, so threads can compress chunks independently, and files can be joined.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
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
    let (mut input, mut head) = (input, Vec::new());
    input.by_ref().take(HEAD).read_to_end(&mut head)?;
    let input = BufReader::with_capacity(ROOM, io::Cursor::new(head).chain(input));
    decompress(input, MaxExpansion::DEFAULT).map(|(_, input)| input)
}

/// First bytes that are read before the format is determined, because a pipe may deliver them one by one.
const HEAD: u64 = 4_096;

/// Size of the buffers before and after decompression, in bytes.
const ROOM: usize = 1 << 16;

/// Returns the compression format of `input` by the first bytes that it has buffered, and a reader of the decompressed content.
///
/// # Errors
///
/// As [`open_decompressed`]. Other data after the end of the gzip data, and content that exceeds the limit, are errors of the
/// reader, of the kind [`io::ErrorKind::InvalidData`]; zero bytes are ignored, as gzip does.
pub fn decompress(
    mut input: impl BufRead + Send + 'static,
    max: MaxExpansion,
) -> io::Result<(CompressionFormat, Box<dyn BufRead + Send>)> {
    let begin = input.fill_buf()?;
    let format = match begin {
        [0x1f, 0x8b, ..] => CompressionFormat::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => CompressionFormat::Zstd,
        _ if starts_with_skippable_frame(begin) => CompressionFormat::Zstd,
        _ => return Ok((CompressionFormat::None, Box::new(input))),
    };
    let (input, used) = Counted::new(input);
    let content: Box<dyn Read + Send> = match format {
        CompressionFormat::Zstd => Box::new(ZstdFrames(zstd::Decoder::with_buffer(input)?)),
        CompressionFormat::Gzip | CompressionFormat::None => Box::new(GzipMembers(Some(GzDecoder::new(input)))),
    };
    Ok((format, Box::new(BufReader::with_capacity(ROOM, Limited::new(content, used, max)))))
}

/// Returns true if the data starts with a skippable frame of zstd, as pzstd writes it. Those of lz4 are the same, and a frame
/// of lz4 follows.
fn starts_with_skippable_frame(mut data: &[u8]) -> bool {
    let mut any = false;
    while let [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, rest @ ..] = data {
        any = true;
        let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        data = rest.get(length..).unwrap_or_default();
    }
    any && !data.starts_with(b"\x04\x22\x4d\x18")
}

/// The content of zstd frames, with an error that shows what to do if they need more memory than the decoder allows.
struct ZstdFrames<R>(R);

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|e| {
            if e.to_string().contains("too much memory") {
                let why = "it was compressed with zstd --long: decompress it (zstd -d --long=31) and pass the result";
                return io::Error::new(io::ErrorKind::Unsupported, why);
            }
            e
        })
    }
}

/// The content of consecutive gzip members; `None` after the last one.
struct GzipMembers<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            if let Some(mut rest) = self.0.take().map(GzDecoder::into_inner)
                && has_member(&mut rest)?
            {
                self.0 = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Skips zero bytes, with which tapes and block devices pad a file, and returns true if another member follows.
fn has_member(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = rest.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        match buffer.get(zeros) {
            Some(0x1f) => {
                rest.consume(zeros);
                return Ok(true);
            }
            Some(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "other data follows its gzip data"));
            }
            None => rest.consume(zeros),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPRESSED: [CompressionFormat; 2] = [CompressionFormat::Gzip, CompressionFormat::Zstd];

    fn read(bytes: Vec<u8>) -> (Vec<u8>, io::Result<usize>) {
        let mut found = Vec::new();
        let done = open_decompressed(io::Cursor::new(bytes)).and_then(|mut input| input.read_to_end(&mut found));
        (found, done)
    }

    #[test]
    fn chunks_are_read_as_one_and_uncompressed_data_unchanged() {
        for compression in [CompressionFormat::None, CompressionFormat::Gzip, CompressionFormat::Zstd] {
            let mut compressed = Vec::new();
            for piece in [&b"one\n"[..], b"", b"two\n"] {
                compression.compress(piece, &mut compressed).unwrap();
            }
            assert_eq!(read(compressed).0, b"one\ntwo\n", "{compression:?}");
        }
    }

    #[test]
    fn truncated_data_is_read_up_to_its_end_and_then_an_error() {
        let text = (0..50_000_u32).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        for compression in COMPRESSED {
            let mut compressed = Vec::new();
            compression.compress(text.as_bytes(), &mut compressed).unwrap();
            compressed.truncate(compressed.len() - 100);
            let (found, done) = read(compressed);
            assert!(done.is_err() && found.len() > 1_000 && text.as_bytes().starts_with(&found), "{compression:?}");
        }
    }

    #[test]
    fn content_that_is_too_large_for_its_file_is_an_error() {
        const MIB: usize = 1 << 20;
        let zeros = vec![b'0'; 100 * MIB];
        for compression in COMPRESSED {
            let mut compressed = Vec::new();
            compression.compress(&zeros, &mut compressed).unwrap();
            let length = |max| {
                let mut content = decompress(io::Cursor::new(compressed.clone()), MaxExpansion(max)).unwrap().1;
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
    fn skippable_frames_of_zstd_are_skipped_wherever_they_are() {
        let skippable = |content: &[u8]| {
            [b"\x50\x2a\x4d\x18", &u32::try_from(content.len()).unwrap().to_le_bytes()[..], content].concat()
        };
        let mut frame = Vec::new();
        CompressionFormat::Zstd.compress(b"one\n", &mut frame).unwrap();
        let data = [skippable(b"abcd"), skippable(b""), frame.clone(), skippable(&[7; 100]), frame].concat();
        let (format, mut content) = decompress(io::Cursor::new(data), MaxExpansion::DEFAULT).unwrap();
        let mut found = Vec::new();
        content.read_to_end(&mut found).unwrap();
        assert_eq!((format, &found[..]), (CompressionFormat::Zstd, &b"one\none\n"[..]));
        let lz4 = [&skippable(b"ab")[..], b"\x04\x22\x4d\x18"].concat();
        assert!(!starts_with_skippable_frame(&lz4) && !starts_with_skippable_frame(b"PQRS"));
    }

    #[test]
    fn a_zstd_window_that_is_too_large_names_the_command() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(b"one\n").unwrap();
        encoder.flush().unwrap(); // otherwise the window has the size of the content
        let (_, done) = read(encoder.finish().unwrap());
        let e = done.unwrap_err();
        assert!(e.kind() == io::ErrorKind::Unsupported && e.to_string().contains("--long=31"), "{e}");
    }

    #[test]
    fn zeros_after_gzip_data_are_padding_and_anything_else_is_an_error() {
        let mut compressed = Vec::new();
        CompressionFormat::Gzip.compress(b"one\n", &mut compressed).unwrap();
        let member = compressed.clone();
        let with = |tail: &[u8]| read([&member, tail].concat());
        assert_eq!(with(&vec![0; 200_000]).0, b"one\n");
        assert_eq!(with(&[&[0; 10][..], &member].concat()).0, b"one\none\n");
        for tail in [&b"{\"a\":1}\n"[..], b"\0\0x"] {
            let (found, done) = with(tail);
            assert_eq!((&found[..], done.unwrap_err().kind()), (&b"one\n"[..], io::ErrorKind::InvalidData));
        }
        let (found, done) = with(&member[..5]);
        assert_eq!((&found[..], done.unwrap_err().kind()), (&b"one\n"[..], io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn the_extension_determines_the_format() {
        let of = |name: &str| CompressionFormat::from_path(Path::new(name));
        assert_eq!(of("a/b.csv.gz"), (CompressionFormat::Gzip, "a/b.csv".into()));
        assert_eq!(of("b.ndjson.ZST"), (CompressionFormat::Zstd, "b.ndjson".into()));
        assert_eq!(of("b.json"), (CompressionFormat::None, "b.json".into()));
    }
}
