//! Flags for the results of an audit, of `reconcile` and of `merge`: the files that are written, and the repair.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Context;
use super::command_line::CommandLine;
use super::flags::{a_path, ndjson_path, undo_file};
use super::report::{ReportFlag, written};
use crate::evidence::Evidence;
use crate::reconcile::{
    Action, Audit, Baseline, Budget, Counter, Drift, DriftWriter, Finding, Outcome, RepairPlan, RepairTarget, Trust,
    repair, repairable,
};
use crate::render::{Rendered, html};

/// Flags for the results of an audit.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ResultFlags {
    /// Repair the warehouse, the lake, or both
    ///
    /// Lake objects are never moved or deleted, and only overwritten with --trust warehouse.
    #[arg(long, value_enum, value_name = "SIDE")]
    repair: Option<RepairTarget>,
    /// With --repair: which side's values to use when they differ
    #[arg(long, value_enum, value_name = "SIDE", default_value = "lake", requires = "repair")]
    trust: Trust,
    /// With --repair: change nothing if more than this would have to change
    #[arg(long, value_name = "N|P%", requires = "repair")]
    max_repairs: Option<Budget>,
    /// With --repair: undo file, appended to if it exists [default: ruminate-undo-<TIME>.ndjson]
    #[arg(long, value_name = "FILE", requires = "repair", value_parser = ndjson_path())]
    undo_file: Option<PathBuf>,
    /// With --repair: show the changes without making them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub report: ReportFlag,
    /// Write all findings to an NDJSON file
    #[arg(long, value_name = "FILE", value_parser = ndjson_path())]
    pub drift: Option<PathBuf>,
    /// Write the audit evidence to a new directory: outcome, findings, totals, report, checksums
    #[arg(long, value_name = "DIR", value_parser = a_path())]
    evidence: Option<PathBuf>,
    /// Report new, persisting and resolved findings since an earlier audit (its drift file or --output json)
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Files of an audit, checked before the audit starts.
pub(super) struct ResultFiles {
    evidence: Option<Evidence>,
}

impl ResultFlags {
    /// Rejects `--dry-run` without a repair.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.repair.is_some() || !self.dry_run,
            "--dry-run shows what a repair would change: add --repair warehouse, lake or both, or remove --dry-run (an \
             audit without --repair changes nothing)"
        );
        Ok(())
    }

    /// Returns the paths that are written, with their flags.
    pub(super) fn outputs(&self) -> Vec<(&'static str, &Path)> {
        let all = [
            ("--report", self.report.path()),
            ("--drift", self.drift.as_deref()),
            ("--undo-file", self.undo_file.as_deref()),
            ("--evidence", self.evidence.as_deref()),
        ];
        all.into_iter().filter_map(|(flag, path)| Some((flag, path?))).collect()
    }

    /// Returns true if objects may be written or changed.
    pub(super) fn writes_lake(&self) -> bool {
        let repairs = matches!(self.repair, Some(RepairTarget::Lake | RepairTarget::Both));
        repairs && !self.dry_run
    }

    /// Returns true if rows may be written or changed.
    pub(super) fn writes_warehouse(&self) -> bool {
        let repairs = matches!(self.repair, Some(RepairTarget::Warehouse | RepairTarget::Both));
        repairs && !self.dry_run
    }

    /// Returns a given flag that only an audit has. `None` if none was given.
    pub(super) fn of_an_audit(&self) -> Option<&'static str> {
        let given = [
            ("--repair", self.repair.is_some()),
            ("--dry-run", self.dry_run),
            ("--drift", self.drift.is_some()),
            ("--evidence", self.evidence.is_some()),
            ("--baseline", self.baseline.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }

    /// Checks that the files can be written, and returns the writer of findings.
    pub(super) fn begin(&self) -> anyhow::Result<(DriftWriter, ResultFiles)> {
        let baseline = self.baseline.as_deref().map(Baseline::read).transpose()?;
        let sink = DriftWriter::new(self.drift.as_deref()).with_context(|| match &self.drift {
            Some(path) => format!("--drift {} cannot be written", path.display()),
            None => "cannot create a temporary file: check TMPDIR".to_owned(),
        })?;
        self.report.check()?;
        let evidence = self.evidence.as_deref().map(Evidence::begin).transpose()?;
        Ok((sink.with_baseline(baseline), ResultFiles { evidence }))
    }

    /// Repairs, if requested, and writes all files. `command_line` is that of a repair's undo.
    pub(super) async fn finish(
        &self,
        audit: &Audit,
        (mut outcome, sink): (Outcome, DriftWriter),
        files: ResultFiles,
        (command_line, table): (&CommandLine, String),
        context: &Context,
    ) -> anyhow::Result<Rendered> {
        let plan = self.repair.filter(|_| outcome.is_complete()).map(|side| self.plan(side, &outcome, table));
        let planned = |finding: &Finding| -> Option<Action> { plan.as_ref()?.planned(finding) };
        let findings = sink.finish_with(&audit.sort, planned).with_context(|| match &self.drift {
            Some(path) => format!("the findings cannot be written to the drift file {}", path.display()),
            None => "cannot write the findings".to_owned(),
        })?;
        outcome.since_baseline = findings.since.clone().filter(|_| outcome.is_complete());
        if let Some(plan) = &plan {
            outcome.carry.repair_asked = true;
            outcome.repaired = repair(audit, &findings, plan, &context.progress, &context.cancel).await?;
            outcome.repaired.undo_command = outcome.repaired.undo_file.as_deref().map(|file| command_line.undo(file));
        } else if outcome.is_complete() {
            outcome.repairable = Some(repairable(&findings, outcome[Counter::Unidentified])?);
        }
        if let Some(path) = &self.drift {
            written("findings", path);
        }
        self.report.write(&outcome)?;
        if let Some(evidence) = files.evidence {
            let page = html::render(&outcome)?;
            let findings = findings.read().context("cannot read the findings back")?;
            let with_repair = |finding: Finding| Drift::from(&finding).with_repair(planned(&finding));
            evidence.write(&outcome, &page, findings.map(|finding| finding.map(with_repair)))?;
            self.evidence.iter().for_each(|dir| written("evidence", dir));
        }
        Ok(Rendered::of(&outcome))
    }

    fn plan(&self, direction: RepairTarget, outcome: &Outcome, table: String) -> RepairPlan {
        RepairPlan {
            direction,
            trust: self.trust,
            dry_run: self.dry_run,
            unidentified: outcome[Counter::Unidentified],
            max_changes: self.max_repairs,
            ids: outcome.ids(),
            undo: (undo_file(self.undo_file.as_ref()), table),
        }
    }
}
