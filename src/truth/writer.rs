//! Writing a truth file: its lines formed by any thread, packed piece by piece.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use uuid::Uuid;

use super::{Entry, Header, Totals, Trailer, VERSION};
use crate::compression::CompressionFormat;

/// Lines of a truth file with their sums, formed apart from the file: any thread can do it.
#[derive(Debug, Default)]
pub struct EncodedLines {
    bytes: Vec<u8>,
    packed: Vec<u8>,
    totals: Totals,
}

impl EncodedLines {
    /// Appends one line.
    pub fn push(&mut self, entry: &Entry<'_>) {
        self.totals.add(entry);
        entry.write_json(&mut self.bytes);
        self.bytes.push(b'\n');
    }

    /// Packs the lines told so far, as a piece of a file that is packed so; nothing may be told after it.
    ///
    /// # Errors
    /// As [`CompressionFormat::compress`].
    pub fn compress(&mut self, compression: CompressionFormat) -> io::Result<()> {
        if compression != CompressionFormat::None {
            self.packed.clear();
            compression.compress(&self.bytes, &mut self.packed)?;
            std::mem::swap(&mut self.bytes, &mut self.packed);
        }
        Ok(())
    }

    /// Begins anew, in the same memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.totals = Totals::default();
    }
}

/// Writes a truth file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    compression: CompressionFormat,
    totals: Totals,
}

impl<W: Write> Writer<W> {
    /// Begins a file for a history.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn new(out: W, history: BTreeMap<String, String>) -> anyhow::Result<Self> {
        Self::packed(out, CompressionFormat::None, history)
    }

    /// Begins a file that is packed so.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn packed(out: W, compression: CompressionFormat, history: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut writer = Self { out, compression, totals: Totals::default() };
        writer.line(&Header { ruminate_truth: VERSION, history })?;
        Ok(writer)
    }

    /// Writes one line of its own, as a piece of its own.
    fn line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let mut packed = Vec::new();
        self.compression.compress(&bytes, &mut packed)?;
        Ok(self.out.write_all(&packed)?)
    }

    /// Writes one line.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub fn write(&mut self, entry: &Entry<'_>) -> anyhow::Result<()> {
        let mut lines = EncodedLines::default();
        lines.push(entry);
        lines.compress(self.compression)?;
        self.write_lines(&lines)
    }

    /// Writes these lines, which are packed as the file is.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub fn write_lines(&mut self, lines: &EncodedLines) -> anyhow::Result<()> {
        self.totals += &lines.totals;
        Ok(self.out.write_all(&lines.bytes)?)
    }

    /// Writes the sums, and gives them and the writer back.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub fn finish(mut self) -> anyhow::Result<(Totals, W)> {
        let last = Trailer { totals: std::mem::take(&mut self.totals) };
        self.line(&last)?;
        self.out.flush()?;
        Ok((last.totals, self.out))
    }
}

impl Entry<'_> {
    /// Appends what serde would write, at a third of the cost: there is one for every reading.
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
        out.extend_from_slice(b"\"fate\":\"");
        out.extend_from_slice(self.expect.name().as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, told};
    use super::*;
    use crate::truth::Expectation;

    #[test]
    fn a_line_is_printed_as_serde_prints_it() {
        let odd = Entry {
            file: Some("a \"b\" \u{e7}.json".into()),
            kind: Some("text".into()),
            ..told(7, Some("late"), Expectation::Stored)
        };
        for entry in lines().into_iter().chain([odd, told(0, None, Expectation::Undelivered)]) {
            let mut printed = Vec::new();
            entry.write_json(&mut printed);
            assert_eq!(String::from_utf8(printed).unwrap(), serde_json::to_string(&entry).unwrap());
        }
    }
}
