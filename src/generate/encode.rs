//! Encoding of a batch of units in a worker thread: their bytes as written, and their truth. Does not access files.

use std::io;

use super::parquet::{self, ColumnBuffers};
use super::{FileFormat, GeneratePlan};
use crate::compression::CompressionFormat;
use crate::herd::{BATCH_PENS, FileStats, FileUnit, LineFormat, TruthTarget};
use crate::parquet::Group;
use crate::truth::EncodedLines;

/// Pens per row group of a Parquet file: the minimum at which the metadata stays small relative to the data.
const GROUP_PENS: u32 = 8_000;

/// Combination of the bytes of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One complete file per unit.
    Files,
    /// One stream of units without file headers.
    Stream,
}

/// Output of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TruthOutput {
    /// Not at all.
    None,
    /// For a file with this compression.
    Compressed(CompressionFormat),
}

/// Encoder of batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchEncoder<'a> {
    pub plan: &'a GeneratePlan,
    pub layout: Layout,
    pub truth_output: TruthOutput,
}

/// An encoded batch of units.
#[derive(Debug, Default)]
pub(super) struct EncodedBatch {
    /// The bytes of all units.
    pub bytes: Vec<u8>,
    /// Each unit with the end of its bytes and its statistics. All units of a compressed stream end at the end of the
    /// chunk.
    pub units: Vec<(FileUnit, usize, FileStats)>,
    /// The row group of all units, for a Parquet stream; `None` otherwise.
    pub group: Option<Group>,
    /// The truth of the units.
    pub truth: EncodedLines,
    /// Why encoding failed; `None` if it succeeded.
    pub failed: Option<io::Error>,
    text: Vec<u8>,
    columns: ColumnBuffers,
}

impl BatchEncoder<'_> {
    /// Returns the number of pens per batch.
    pub(super) fn pens(&self) -> u32 {
        match (self.plan.form, self.layout) {
            (FileFormat::Parquet, Layout::Stream) => GROUP_PENS,
            _ => BATCH_PENS,
        }
    }

    /// Encodes these units into `batch`, reusing its memory.
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
        match self.truth_output {
            TruthOutput::None => Ok(()),
            TruthOutput::Compressed(compression) => batch.truth.compress(compression),
        }
    }

    fn fill_lines(&self, format: LineFormat, units: &[FileUnit], batch: &mut EncodedBatch) -> io::Result<()> {
        let GeneratePlan { herd, faults, compression, .. } = self.plan;
        let compresses = *compression != CompressionFormat::None;
        for &unit in units {
            let out = if compresses { &mut batch.text } else { &mut batch.bytes };
            if self.layout == Layout::Files {
                out.extend_from_slice(format.header());
            }
            let stats = match self.truth_output {
                TruthOutput::None => herd.write_lines(unit, format, faults, out, |_| {}),
                TruthOutput::Compressed(_) => {
                    let target = TruthTarget { file: &self.plan.name(unit), lines: &mut batch.truth };
                    herd.write_lines_with_truth(unit, format, faults, out, target)
                }
            };
            if compresses && self.layout == Layout::Files {
                compression.compress(&batch.text, &mut batch.bytes)?;
                batch.text.clear();
            }
            batch.units.push((unit, batch.bytes.len(), stats));
        }
        if compresses && self.layout == Layout::Stream {
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
            let stats = match self.truth_output {
                TruthOutput::None => herd.each_reading(unit, faults, push),
                TruthOutput::Compressed(_) => {
                    let target = TruthTarget { file: &self.plan.name(unit), lines: &mut batch.truth };
                    herd.readings_with_truth(unit, faults, target, &mut push)
                }
            };
            if self.layout == Layout::Files {
                let mut table = parquet::writer(std::mem::take(&mut batch.text))?;
                table.append(batch.columns.encode()?)?;
                let file = table.finish()?;
                batch.bytes.extend_from_slice(&file);
                batch.text = file;
                batch.text.clear();
            }
            batch.units.push((unit, batch.bytes.len(), stats));
        }
        if self.layout == Layout::Stream {
            batch.group = Some(batch.columns.encode()?);
        }
        Ok(())
    }
}
