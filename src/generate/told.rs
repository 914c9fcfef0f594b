//! The truth file on its way: under a temporary name until it is whole, packed as its name says.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::NamedTempFile;

use super::sink::put;
use super::{Existing, Plan, Truth};
use crate::pack::Pack;
use crate::truth::{Lines, Writer};
use pipeline::atomic_file::temp_file_beside;

/// A truth file that is being written.
pub(super) struct TruthFile {
    path: PathBuf,
    pack: Pack,
    writer: Writer<BufWriter<NamedTempFile>>,
}

impl TruthFile {
    pub(super) fn create(path: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let named = || format!("cannot write the truth to {}", path.display());
        let (pack, _) = Pack::of(path);
        let half = temp_file_beside(path).with_context(named)?;
        let writer = Writer::packed(BufWriter::with_capacity(1 << 16, half), pack, plan.flags()).with_context(named)?;
        Ok(Self { path: path.to_owned(), pack, writer })
    }

    pub(super) fn pack(&self) -> Pack {
        self.pack
    }

    pub(super) fn take(&mut self, lines: &Lines) -> anyhow::Result<()> {
        self.writer.take(lines).with_context(|| format!("cannot write the truth to {}", self.path.display()))
    }

    /// Gives it its name.
    pub(super) fn finish(self, existing: Existing) -> anyhow::Result<Truth> {
        let (totals, out) = self.writer.finish().with_context(|| self.path.display().to_string())?;
        put(out.into_inner().map_err(|e| e.into_error())?, &self.path, existing)?;
        Ok(Truth {
            file: self.path.display().to_string(),
            ids: totals.ids,
            quarantined: totals.quarantined,
            refused: totals.refused,
            never: totals.never,
        })
    }
}
