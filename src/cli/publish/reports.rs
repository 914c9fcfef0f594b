//! Output files of a run: the report, and percentiles as text.

use std::path::PathBuf;

use super::super::flags::{check_writable, output_path};
use super::super::report::{ReportFlag, written};
use crate::publish::{Outcome, hdr};

/// Flags for reports of the run.
#[derive(Debug, clap::Args)]
pub(super) struct ReportFlags {
    #[command(flatten)]
    report: ReportFlag,
    /// Write latency percentiles in HdrHistogram text format; service times go to FILE.service
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    hdr: Option<PathBuf>,
}

impl ReportFlags {
    /// Returns an error if a file cannot be written, before the first message is sent.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.report.check()?;
        if let Some(path) = &self.hdr {
            check_writable("--hdr", path)?;
            check_writable("--hdr", &hdr::service_file(path))?;
        }
        Ok(())
    }

    /// Writes the files; a failure is logged and does not affect the outcome.
    pub(super) fn write(&self, outcome: &Outcome) {
        self.report.write_or_log(outcome);
        match self.hdr.as_ref().map(|path| (path, hdr::write(path, outcome))) {
            Some((path, Ok(()))) => written("latency percentiles", path),
            Some((path, Err(e))) => tracing::error!("--hdr {} cannot be written: {e}", path.display()),
            None => {}
        }
    }
}
