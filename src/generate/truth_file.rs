//! Atomic write of the truth file: under a temporary name until it is complete, and compressed according to its name.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::NamedTempFile;

use super::sink::put;
use super::{GeneratePlan, IfExists, TruthSummary};
use crate::compression::CompressionFormat;
use crate::truth::{EncodedLines, Writer};
use pipeline::atomic_file::temp_file_next_to;

/// A truth file that is being written.
pub(super) struct TruthFileWriter {
    path: PathBuf,
    compression: CompressionFormat,
    writer: Writer<BufWriter<NamedTempFile>>,
}

impl TruthFileWriter {
    pub(super) fn create(path: &Path, plan: &GeneratePlan) -> anyhow::Result<Self> {
        let named = || format!("cannot write the truth to {}", path.display());
        let (compression, _) = CompressionFormat::from_path(path);
        let half = temp_file_next_to(path).with_context(named)?;
        let writer = Writer::with_compression(BufWriter::with_capacity(1 << 16, half), compression, plan.flags())
            .with_context(named)?;
        Ok(Self { path: path.to_owned(), compression, writer })
    }

    pub(super) fn compression(&self) -> CompressionFormat {
        self.compression
    }

    pub(super) fn take(&mut self, lines: &EncodedLines) -> anyhow::Result<()> {
        self.writer.write_lines(lines).with_context(|| format!("cannot write the truth to {}", self.path.display()))
    }

    /// Completes the file and renames it to its final name.
    pub(super) fn finish(self, existing: IfExists) -> anyhow::Result<TruthSummary> {
        let (totals, out) = self.writer.finish().with_context(|| self.path.display().to_string())?;
        put(out.into_inner().map_err(|e| e.into_error())?, &self.path, existing)?;
        Ok(TruthSummary {
            file: self.path.display().to_string(),
            ids: totals.ids,
            quarantined: totals.quarantined,
            oversized: totals.oversized,
            undelivered: totals.undelivered,
        })
    }
}
