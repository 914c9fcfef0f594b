//! What a thread makes of a few units: their bytes as they are written, and the truth of them. Knows no file.

use std::io;

use super::parquet::{self, ColumnBuffers};
use super::{FileFormat, GeneratePlan};
use crate::compression::CompressionFormat;
use crate::herd::{BATCH_PENS, FileStats, FileUnit, LineFormat, TruthTarget};
use crate::parquet::Group;
use crate::truth::EncodedLines;

/// Pens a row group of a Parquet file: as few as keep what it says of itself small beside it.
const GROUP_PENS: u32 = 8_000;

/// How bytes are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A file a unit, whole by itself.
    Files,
    /// Units one behind the other, without what a file begins with.
    Stream,
}

/// How truth is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TruthOutput {
    /// Not at all.
    None,
    /// For a file that is packed so.
    Compressed(CompressionFormat),
}

/// How batches are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchEncoder<'a> {
    pub plan: &'a GeneratePlan,
    pub shape: Layout,
    pub tell: TruthOutput,
}

/// A few units, made.
#[derive(Debug, Default)]
pub(super) struct EncodedBatch {
    /// The bytes of all units.
    pub bytes: Vec<u8>,
    /// Each unit, where its bytes end, and what it holds. Units of a packed stream all end where the piece ends.
    pub units: Vec<(FileUnit, usize, FileStats)>,
    /// The row group of all units, of a stream of Parquet.
    pub group: Option<Group>,
    /// The truth of them.
    pub truth: EncodedLines,
    /// Why they could not be made.
    pub failed: Option<io::Error>,
    text: Vec<u8>,
    columns: ColumnBuffers,
}

impl BatchEncoder<'_> {
    /// Pens a batch.
    pub(super) fn pens(&self) -> u32 {
        match (self.plan.form, self.shape) {
            (FileFormat::Parquet, Layout::Stream) => GROUP_PENS,
            _ => BATCH_PENS,
        }
    }

    /// Makes these units, in the memory of those before.
    pub(super) fn fill(&self, units: &[FileUnit], batch: &mut EncodedBatch) {
        batch.bytes.clear();
        batch.units.clear();
        batch.truth.clear();
        batch.failed = self.try_fill(units, batch).err();
    }

    fn try_fill(&self, units: &[FileUnit], batch: &mut EncodedBatch) -> io::Result<()> {
        match self.plan.form {
            FileFormat::Lines(format) => self.fill_lines(format, units, batch)?,
            FileFormat::Parquet => self.fill_columns(units, batch)?,
        }
        match self.tell {
            TruthOutput::None => Ok(()),
            TruthOutput::Compressed(compression) => batch.truth.compress(compression),
        }
    }

    fn fill_lines(&self, format: LineFormat, units: &[FileUnit], batch: &mut EncodedBatch) -> io::Result<()> {
        let GeneratePlan { herd, faults, compression, .. } = self.plan;
        let packs = *compression != CompressionFormat::None;
        for &unit in units {
            let out = if packs { &mut batch.text } else { &mut batch.bytes };
            if self.shape == Layout::Files {
                out.extend_from_slice(format.header());
            }
            let stats = match self.tell {
                TruthOutput::None => herd.write_lines(unit, format, faults, out, |_| {}),
                TruthOutput::Compressed(_) => {
                    let target = TruthTarget { file: &self.plan.name(unit), lines: &mut batch.truth };
                    herd.write_lines_with_truth(unit, format, faults, out, target)
                }
            };
            if packs && self.shape == Layout::Files {
                compression.compress(&batch.text, &mut batch.bytes)?;
                batch.text.clear();
            }
            batch.units.push((unit, batch.bytes.len(), stats));
        }
        if packs && self.shape == Layout::Stream {
            compression.compress(&batch.text, &mut batch.bytes)?;
            batch.text.clear();
            batch.units.iter_mut().for_each(|(_, end, _)| *end = batch.bytes.len());
        }
        Ok(())
    }

    fn fill_columns(&self, units: &[FileUnit], batch: &mut EncodedBatch) -> io::Result<()> {
        let GeneratePlan { herd, faults, .. } = self.plan;
        for &unit in units {
            let columns = &mut batch.columns;
            let mut push = |line: &crate::herd::DeliveredLine<'_>| {
                if line.is_delivered() {
                    columns.push(&line.reading);
                }
            };
            let stats = match self.tell {
                TruthOutput::None => herd.each_reading(unit, faults, push),
                TruthOutput::Compressed(_) => {
                    let target = TruthTarget { file: &self.plan.name(unit), lines: &mut batch.truth };
                    herd.readings_with_truth(unit, faults, target, &mut push)
                }
            };
            if self.shape == Layout::Files {
                let mut table = parquet::writer(std::mem::take(&mut batch.text))?;
                table.append(batch.columns.encode()?)?;
                let file = table.finish()?;
                batch.bytes.extend_from_slice(&file);
                batch.text = file;
                batch.text.clear();
            }
            batch.units.push((unit, batch.bytes.len(), stats));
        }
        if self.shape == Layout::Stream {
            batch.group = Some(batch.columns.encode()?);
        }
        Ok(())
    }
}
