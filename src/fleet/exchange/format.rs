//! Format of an exchange file: a header and entries, compressed.

use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};

use crate::compression::CompressionFormat;

/// First bytes of a file, with the version of the format.
const MAGIC: [u8; 8] = *b"ruminat\x01";

/// Maximum size of a file after decompression, in bytes. A file is closed at 4 MB, and its last entry is a record.
const MAX_BYTES: usize = 32 << 20;

/// Maximum window of a zstd frame, as a power of 2: 8 MiB.
const MAX_WINDOW_LOG: u32 = 23;

/// Plan, shard and stream of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    magic: [u8; 8],
    pub plan_id: String,
    pub shard: u32,
    pub stream: String,
    /// Number of the file in its stream.
    pub number: u32,
    pub entries: u64,
}

impl Header {
    pub(super) fn new(plan_id: &str, shard: u32, stream: &str, number: u32, entries: u64) -> Self {
        let (plan_id, stream) = (plan_id.to_owned(), stream.to_owned());
        Self { magic: MAGIC, plan_id, shard, stream, number, entries }
    }
}

/// Appends an entry to the entries of a file.
pub(super) fn push(entries: &mut Vec<u8>, entry: &[u8]) -> io::Result<()> {
    entries.extend_from_slice(&u32::try_from(entry.len()).map_err(io::Error::other)?.to_le_bytes());
    entries.extend_from_slice(entry);
    Ok(())
}

/// Returns the file with a header and entries.
pub(super) fn encode(header: &Header, entries: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(entries.len() + 200);
    push(&mut plain, &postcard::to_stdvec(header).map_err(io::Error::other)?)?;
    plain.extend_from_slice(entries);
    let mut file = Vec::new();
    CompressionFormat::Zstd.compress(&plain, &mut file)?;
    Ok(file)
}

/// Decoded file.
pub(super) struct Decoded {
    pub header: Header,
    plain: Vec<u8>,
    at: usize,
}

/// Decompresses a file, up to a byte more than the maximum.
fn decompress(file: &[u8]) -> io::Result<Vec<u8>> {
    let mut frames = zstd::Decoder::with_buffer(file)?;
    frames.window_log_max(MAX_WINDOW_LOG)?;
    let mut plain = Vec::new();
    frames.take(MAX_BYTES as u64 + 1).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Decodes a file. Returns `None` if it is not an exchange file.
pub(super) fn decode(file: &[u8]) -> Option<Decoded> {
    let plain = decompress(file).ok().filter(|plain| plain.len() <= MAX_BYTES)?;
    let mut decoded = Decoded { header: Header::new("", 0, "", 0, 0), plain, at: 0 };
    decoded.header = postcard::from_bytes(decoded.next()?).ok()?;
    (decoded.header.magic == MAGIC).then_some(decoded)
}

/// Returns the entries of a file, without comparing it with a plan. `None` if it is not an exchange file or is truncated.
pub fn exchange_entries(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut decoded = decode(file)?;
    let entries = std::iter::from_fn(|| decoded.next().map(<[u8]>::to_vec)).collect();
    decoded.is_read().then_some(entries)
}

impl Decoded {
    /// Returns the next entry. `None` after the last, or if the file is truncated.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let length = self.plain.get(self.at..self.at + 4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let start = self.at + 4;
        let entry = self.plain.get(start..start + length)?;
        self.at = start + length;
        Some(entry)
    }

    /// Returns true if all bytes were read.
    pub(super) fn is_read(&self) -> bool {
        self.at == self.plain.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_from_its_bytes_and_not_from_a_part_of_them() {
        let mut entries = Vec::new();
        let each = [&b"one"[..], b"", b"three"];
        each.iter().for_each(|entry| push(&mut entries, entry).unwrap());
        let header = Header::new("plan", 3, "objects", 1, 3);
        let file = encode(&header, &entries).unwrap();
        assert_eq!(encode(&header, &entries).unwrap(), file);
        let mut decoded = decode(&file).unwrap();
        assert_eq!(decoded.header, header);
        for entry in each {
            assert_eq!(decoded.next().unwrap(), entry);
        }
        assert!(decoded.next().is_none() && decoded.is_read());
        for length in 0..file.len() {
            assert!(decode(&file[..length]).is_none(), "{length}");
        }
        assert!(decode(&encode(&Header { magic: *b"ruminat\x02", ..header }, &entries).unwrap()).is_none());
    }
}
