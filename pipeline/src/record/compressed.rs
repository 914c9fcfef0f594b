//! Compressed lake objects: with `Content-Encoding`, or by compressing a lake in place.
//!
//! An object is recognized by its first bytes, because listings have no headers and directories have none at all. A record
//! starts with `{` or a byte order mark, so no record is mistaken for compressed data.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;

use super::Rejection;

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// Maximum window of a zstd frame, as a power of 2: 8 MiB, that of level 19.
const MAX_WINDOW_LOG: u32 = 23;

/// Returns the content of an object, decompressed if it starts like gzip or zstd. At most `limit` bytes are decompressed.
///
/// # Errors
/// Returns an error if the compressed data is damaged or contains more than `limit` bytes.
pub(super) fn plain(object: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, Rejection> {
    if object.starts_with(GZIP) {
        expand(MultiGzDecoder::new(object), limit)
    } else if object.starts_with(ZSTD) || is_skippable_frame(object) {
        zstd(object).map_err(|e| damaged(&e)).and_then(|frames| expand(frames, limit))
    } else {
        Ok(Cow::Borrowed(object))
    }
}

/// Returns true for the start of a frame without content, with which pzstd starts a file.
fn is_skippable_frame(object: &[u8]) -> bool {
    matches!(object, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

fn zstd(object: &[u8]) -> io::Result<impl Read> {
    let mut frames = zstd::Decoder::with_buffer(object)?;
    frames.window_log_max(MAX_WINDOW_LOG)?;
    Ok(frames)
}

fn expand(from: impl Read, limit: usize) -> Result<Cow<'static, [u8]>, Rejection> {
    let mut content = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut content).map_err(|e| damaged(&e))?;
    if content.len() > limit { Err(Rejection::ExpandsTooFar { limit }) } else { Ok(Cow::Owned(content)) }
}

fn damaged(e: &io::Error) -> Rejection {
    Rejection::Damaged { why: e.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_content_is_the_content_itself() {
        let text = b"{\"a\":1}";
        for compressed in [text.to_vec(), gzip(text), zstd::encode_all(&text[..], 19).unwrap()] {
            assert_eq!(&*plain(&compressed, 100).unwrap(), text);
        }
        // pzstd starts a file with a frame that has no content.
        let skippable = [b"\x50\x2a\x4d\x18\x02\0\0\0xx".to_vec(), zstd::encode_all(&text[..], 3).unwrap()].concat();
        assert_eq!(&*plain(&skippable, 100).unwrap(), text);
        let members = [gzip(b"{\"a\""), gzip(b":1}")].concat();
        assert_eq!(&*plain(&members, 8).unwrap(), text);
    }

    #[test]
    fn decompression_stops_at_the_limit() {
        let zeros = vec![0; 10_000_000];
        for compressed in [gzip(&zeros), zstd::encode_all(&zeros[..], 3).unwrap()] {
            assert!(compressed.len() < 20_000);
            assert_eq!(plain(&compressed, 1_000).unwrap_err(), Rejection::ExpandsTooFar { limit: 1_000 });
            assert_eq!(plain(&compressed, zeros.len()).unwrap().len(), zeros.len(), "as much as the limit is allowed");
        }
    }

    #[test]
    fn a_frame_that_needs_more_memory_than_level_19_is_rejected() {
        for (window, allowed) in [(MAX_WINDOW_LOG, true), (MAX_WINDOW_LOG + 1, false)] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
            encoder.window_log(window).unwrap();
            encoder.write_all(b"{}").unwrap();
            encoder.flush().unwrap();
            assert_eq!(plain(&encoder.finish().unwrap(), 100).is_ok(), allowed, "{window}");
        }
    }

    #[test]
    fn damaged_data_is_unreadable() {
        for compressed in [gzip(b"{\"a\":1}"), zstd::encode_all(&b"{\"a\":1}"[..], 3).unwrap()] {
            let cut = plain(&compressed[..compressed.len() - 3], 100).unwrap_err();
            assert!(cut.is_unreadable() && cut.to_string().starts_with("cannot be decompressed: "), "{cut}");
        }
    }
}
