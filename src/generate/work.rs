//! What a thread makes of a few units: their bytes as they are written, and the truth of them. Knows no file.

use super::{Form, Plan};
use crate::herd::{FileUnit, Telling, UnitStats};
use crate::pack::Pack;
use crate::truth::Lines;

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

/// A few units, made.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The bytes of all units.
    pub bytes: Vec<u8>,
    /// Each unit, where its bytes end, and what it holds. Units of a packed stream all end where the piece ends.
    pub units: Vec<(FileUnit, usize, UnitStats)>,
    /// The truth of them.
    pub truth: Lines,
    text: Vec<u8>,
    /// Why they could not be made.
    pub failed: Option<std::io::Error>,
}

impl Batch {
    /// Makes these units, in the memory of those before.
    pub fn fill(&mut self, plan: &Plan, shape: Shape, tell: Tell, units: &[FileUnit]) {
        self.bytes.clear();
        self.units.clear();
        self.truth.clear();
        self.failed = self.try_fill(plan, shape, tell, units).err();
    }

    fn try_fill(&mut self, plan: &Plan, shape: Shape, tell: Tell, units: &[FileUnit]) -> std::io::Result<()> {
        let Form::Lines(format) = plan.form;
        let packs = plan.pack != Pack::None;
        for &unit in units {
            let out = if packs { &mut self.text } else { &mut self.bytes };
            if shape == Shape::Files {
                out.extend_from_slice(format.header());
            }
            let stats = match tell {
                Tell::Nothing => plan.herd.write_lines(unit, format, &plan.faults, out, |_| {}),
                Tell::Packed(_) => {
                    let telling = Telling { file: &plan.name(unit), lines: &mut self.truth };
                    plan.herd.tell_lines(unit, format, &plan.faults, out, telling)
                }
            };
            if packs && shape == Shape::Files {
                plan.pack.pack(&self.text, &mut self.bytes)?;
                self.text.clear();
            }
            self.units.push((unit, self.bytes.len(), stats));
        }
        if packs && shape == Shape::Stream {
            plan.pack.pack(&self.text, &mut self.bytes)?;
            self.text.clear();
            self.units.iter_mut().for_each(|(_, end, _)| *end = self.bytes.len());
        }
        if let Tell::Packed(pack) = tell {
            self.truth.pack(pack)?;
        }
        Ok(())
    }
}
