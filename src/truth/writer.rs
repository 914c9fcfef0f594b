//! Writing of a truth file: lines are encoded in any thread and compressed in chunks.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use uuid::Uuid;

use super::{Entry, Header, Totals, Trailer, VERSION};
use crate::compression::CompressionFormat;

/// Encoded lines of a truth file with their totals, independent of the file, so that any thread can encode them.
#[derive(Debug, Default)]
pub struct EncodedLines {
    bytes: Vec<u8>,
    compressed: Vec<u8>,
    totals: Totals,
}

impl EncodedLines {
    /// Appends one line.
    pub fn push(&mut self, entry: &Entry<'_>) {
        self.totals.add(entry);
        entry.write_json(&mut self.bytes);
        self.bytes.push(b'\n');
    }

    /// Compresses the lines so far, as a chunk of a file with that compression. No line may be added after it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`CompressionFormat::compress`].
    pub fn compress(&mut self, compression: CompressionFormat) -> io::Result<()> {
        if compression != CompressionFormat::None {
            self.compressed.clear();
            compression.compress(&self.bytes, &mut self.compressed)?;
            std::mem::swap(&mut self.bytes, &mut self.compressed);
        }
        Ok(())
    }

    /// Removes all lines but keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.totals = Totals::default();
    }
}

/// Writer of a truth file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    compression: CompressionFormat,
    totals: Totals,
}

impl<W: Write> Writer<W> {
    /// Starts an uncompressed file for a history.
    ///
    /// # Errors
    ///
    /// Returns an error if `out` cannot be written.
    pub fn new(out: W, history: BTreeMap<String, String>) -> anyhow::Result<Self> {
        Self::with_compression(out, CompressionFormat::None, history)
    }

    /// Starts a file with that compression.
    ///
    /// # Errors
    ///
    /// Returns an error if `out` cannot be written.
    pub fn with_compression(
        out: W,
        compression: CompressionFormat,
        history: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let mut writer = Self { out, compression, totals: Totals::default() };
        writer.line(&Header { ruminate_truth: VERSION, history })?;
        Ok(writer)
    }

    /// Writes a header or trailer line, as a separate chunk.
    fn line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let mut compressed = Vec::new();
        self.compression.compress(&bytes, &mut compressed)?;
        Ok(self.out.write_all(&compressed)?)
    }

    /// Writes one line.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn write(&mut self, entry: &Entry<'_>) -> anyhow::Result<()> {
        let mut lines = EncodedLines::default();
        lines.push(entry);
        lines.compress(self.compression)?;
        self.write_lines(&lines)
    }

    /// Writes encoded lines, which must have the compression of the file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn write_lines(&mut self, lines: &EncodedLines) -> anyhow::Result<()> {
        self.totals += &lines.totals;
        Ok(self.out.write_all(&lines.bytes)?)
    }

    /// Writes the totals, and returns them with the inner writer.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn finish(mut self) -> anyhow::Result<(Totals, W)> {
        let last = Trailer { totals: std::mem::take(&mut self.totals) };
        self.line(&last)?;
        self.out.flush()?;
        Ok((last.totals, self.out))
    }
}

impl Entry<'_> {
    /// Appends the same JSON as serde at a third of the cost; there is one line per reading.
    fn write_json(&self, out: &mut Vec<u8>) {
        let texts = [&self.file, &self.fault, &self.kind, &self.sha256];
        let is_plain =
            |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
        if !texts.into_iter().flatten().all(|text| is_plain(text)) {
            let _ = serde_json::to_writer(out, self); // writing to a Vec cannot fail
            return;
        }
        out.push(b'{');
        let member = |out: &mut Vec<u8>, name: &str, value: &str| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\",");
        };
        if let Some(file) = &self.file {
            member(out, "\"file\":\"", file);
        }
        if self.line > 0 {
            let _ = write!(out, "\"line\":{},", self.line); // as above
        }
        if let Some(id) = &self.id {
            member(out, "\"id\":\"", id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        }
        for (name, text) in
            [("\"fault\":\"", &self.fault), ("\"kind\":\"", &self.kind), ("\"sha256\":\"", &self.sha256)]
        {
            if let Some(text) = text {
                member(out, name, text);
            }
        }
        out.extend_from_slice(b"\"expect\":\"");
        out.extend_from_slice(self.expect.name().as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entry, lines};
    use super::*;
    use crate::truth::Expectation;

    #[test]
    fn a_line_equals_that_of_serde() {
        let escaped = Entry {
            file: Some("a \"b\" \u{e7}.json".into()),
            kind: Some("text".into()),
            ..entry(7, Some("late"), Expectation::Stored)
        };
        for entry in lines().into_iter().chain([escaped, entry(0, None, Expectation::Undelivered)]) {
            let mut printed = Vec::new();
            entry.write_json(&mut printed);
            assert_eq!(String::from_utf8(printed).unwrap(), serde_json::to_string(&entry).unwrap());
        }
    }
}
