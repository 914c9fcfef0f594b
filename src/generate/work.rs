//! What a thread makes of a few units: their bytes as they are written, and the truth of them. Knows no file.

use std::io;

use super::table::{self, Columns};
use super::{Form, Plan};
use crate::herd::{BATCH_PENS, FileUnit, Format, Telling, UnitStats};
use crate::pack::Pack;
use crate::parquet::Group;
use crate::truth::Lines;

/// Pens a row group of a Parquet file: as few as keep what it says of itself small beside it.
const GROUP_PENS: u32 = 8_000;

/// How bytes are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A file a unit, whole by itself.
    Files,
    /// Units one behind the other, without what a file begins with.
    Stream,
}

/// How truth is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    /// Not at all.
    Nothing,
    /// For a file that is packed so.
    Packed(Pack),
}

/// How batches are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub plan: &'a Plan,
    pub shape: Shape,
    pub tell: Tell,
}

/// A few units, made.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The bytes of all units.
    pub bytes: Vec<u8>,
    /// Each unit, where its bytes end, and what it holds. Units of a packed stream all end where the piece ends.
    pub units: Vec<(FileUnit, usize, UnitStats)>,
    /// The row group of all units, of a stream of Parquet.
    pub group: Option<Group>,
    /// The truth of them.
    pub truth: Lines,
    /// Why they could not be made.
    pub failed: Option<io::Error>,
    text: Vec<u8>,
    columns: Columns,
}

impl Work<'_> {
    /// Pens a batch.
    pub(super) fn pens(&self) -> u32 {
        match (self.plan.form, self.shape) {
            (Form::Parquet, Shape::Stream) => GROUP_PENS,
            _ => BATCH_PENS,
        }
    }

    /// Makes these units, in the memory of those before.
    pub(super) fn fill(&self, units: &[FileUnit], batch: &mut Batch) {
        batch.bytes.clear();
        batch.units.clear();
        batch.truth.clear();
        batch.failed = self.try_fill(units, batch).err();
    }

    fn try_fill(&self, units: &[FileUnit], batch: &mut Batch) -> io::Result<()> {
        match self.plan.form {
            Form::Lines(format) => self.fill_lines(format, units, batch)?,
            Form::Parquet => self.fill_columns(units, batch)?,
        }
        match self.tell {
            Tell::Nothing => Ok(()),
            Tell::Packed(pack) => batch.truth.pack(pack),
        }
    }

    fn fill_lines(&self, format: Format, units: &[FileUnit], batch: &mut Batch) -> io::Result<()> {
        let Plan { herd, faults, pack, .. } = self.plan;
        let packs = *pack != Pack::None;
        for &unit in units {
            let out = if packs { &mut batch.text } else { &mut batch.bytes };
            if self.shape == Shape::Files {
                out.extend_from_slice(format.header());
            }
            let stats = match self.tell {
                Tell::Nothing => herd.write_lines(unit, format, faults, out, |_| {}),
                Tell::Packed(_) => {
                    let telling = Telling { file: &self.plan.name(unit), lines: &mut batch.truth };
                    herd.tell_lines(unit, format, faults, out, telling)
                }
            };
            if packs && self.shape == Shape::Files {
                pack.pack(&batch.text, &mut batch.bytes)?;
                batch.text.clear();
            }
            batch.units.push((unit, batch.bytes.len(), stats));
        }
        if packs && self.shape == Shape::Stream {
            pack.pack(&batch.text, &mut batch.bytes)?;
            batch.text.clear();
            batch.units.iter_mut().for_each(|(_, end, _)| *end = batch.bytes.len());
        }
        Ok(())
    }

    fn fill_columns(&self, units: &[FileUnit], batch: &mut Batch) -> io::Result<()> {
        let Plan { herd, faults, .. } = self.plan;
        for &unit in units {
            let columns = &mut batch.columns;
            let mut push = |line: &crate::herd::Line<'_>| {
                if line.is_delivered() {
                    columns.push(&line.reading);
                }
            };
            let stats = match self.tell {
                Tell::Nothing => herd.each_reading(unit, faults, push),
                Tell::Packed(_) => {
                    let telling = Telling { file: &self.plan.name(unit), lines: &mut batch.truth };
                    herd.tell_readings(unit, faults, telling, &mut push)
                }
            };
            if self.shape == Shape::Files {
                let mut table = table::writer(std::mem::take(&mut batch.text))?;
                table.append(batch.columns.encode()?)?;
                let file = table.finish()?;
                batch.bytes.extend_from_slice(&file);
                batch.text = file;
                batch.text.clear();
            }
            batch.units.push((unit, batch.bytes.len(), stats));
        }
        if self.shape == Shape::Stream {
            batch.group = Some(batch.columns.encode()?);
        }
        Ok(())
    }
}
