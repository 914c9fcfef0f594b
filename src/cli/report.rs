//! The flag `--report`, and the announcement of written files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::TypedValueParser;
use serde::Serialize;

use super::flags::output_path;
use crate::render::{html, write_report};

/// Extensions of a report; a name without one is HTML.
const EXTENSIONS: [&str; 3] = ["html", "htm", "json"];

/// The report of a run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ReportFlag {
    /// Write a report: HTML, or JSON if the name ends in .json
    #[arg(long, value_name = "FILE", value_parser = report_path())]
    report: Option<PathBuf>,
}

fn report_path() -> impl TypedValueParser<Value = PathBuf> {
    output_path().try_map(|path| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.filter(|extension| !EXTENSIONS.contains(&&**extension)) {
            Some(_) => Err("a report is HTML or JSON: use a name that ends in .html or .json"),
            None => Ok(path),
        }
    })
}

impl ReportFlag {
    /// Returns an error if the report cannot be written, so that this is found before hours of work.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match &self.report {
            Some(path) => html::can_write(path).with_context(|| cannot_write(path)),
            None => Ok(()),
        }
    }

    /// Returns the file of the report, if requested.
    pub(super) fn path(&self) -> Option<&Path> {
        self.report.as_deref()
    }

    /// Returns true if a report is requested.
    pub(super) const fn is_requested(&self) -> bool {
        self.report.is_some()
    }

    /// Writes the report, if requested.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn write(&self, outcome: &(impl html::Page + Serialize)) -> anyhow::Result<()> {
        let Some(path) = &self.report else { return Ok(()) };
        write_report(path, outcome).with_context(|| cannot_write(path))?;
        written("report", path);
        Ok(())
    }

    /// Writes the report, if requested. A failure is logged and does not affect the outcome.
    pub(super) fn write_or_log(&self, outcome: &(impl html::Page + Serialize)) {
        if let Err(e) = self.write(outcome) {
            tracing::error!("{e:#}");
        }
    }
}

fn cannot_write(path: &Path) -> String {
    format!("--report {} cannot be written", path.display())
}

/// Logs that a file or directory was written.
pub(super) fn written(what: &str, path: &Path) {
    tracing::info!("{what} written: {}", path.display());
}
