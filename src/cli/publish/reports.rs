//! Output files of a run: the report, and percentiles as text.

use std::path::PathBuf;

use anyhow::Context as _;

use super::super::flags::{check_writable, output_path};
use crate::publish::{Outcome, hdr};
use crate::render::{html, write_report};

/// Flags for reports of the run.
#[derive(Debug, clap::Args)]
pub(super) struct ReportFlags {
    /// Write a report: HTML, or JSON if the name ends in .json
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    pub report: Option<PathBuf>,
    /// Write latency percentiles in HdrHistogram text format; service times go to FILE.service
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    pub hdr: Option<PathBuf>,
}

impl ReportFlags {
    /// Returns an error if a file cannot be written, before the first message is sent.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if let Some(path) = &self.report {
            html::can_write(path).with_context(|| format!("--report {} cannot be written", path.display()))?;
        }
        if let Some(path) = &self.hdr {
            check_writable("--hdr", path)?;
            check_writable("--hdr", &hdr::service_file(path))?;
        }
        Ok(())
    }

    /// Writes the files; a failure is logged and does not affect the outcome.
    pub(super) fn write(&self, outcome: &Outcome) {
        if let Some(Err(e)) = self.report.as_ref().map(|path| write_report(path, outcome)) {
            tracing::error!("--report cannot be written: {e}");
        }
        if let Some(Err(e)) = self.hdr.as_ref().map(|path| hdr::write(path, outcome)) {
            tracing::error!("--hdr cannot be written: {e}");
        }
    }
}
