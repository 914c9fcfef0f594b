//! `ruminate reconcile`: compares lake and warehouse.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;

use super::Context;
use super::command_line::CommandLine;
use super::flags::{
    LakeFlags, PartsFlags, RulesFlags, SpanFlags, WarehouseFlags, a_path, endpoint, output_path, read_concurrency,
    undo_file,
};
use super::listing::ListingFlags;
use super::report::{ReportFlag, written};
use super::sort_flags::SortFlags;
use super::write_flags::WriteFlags;
use crate::evidence::Evidence;
use crate::reconcile::{
    Audit, AuditOptions, AuditSettings, Baseline, Budget, Counter, Drift, DriftWriter, IngestPath, Outcome, RepairPlan,
    RepairTarget, Tolerance, Trust, TruthAsked, repair, run as audit,
};
use crate::render::{Rendered, html};
use pipeline::lake::Conditions;

/// Compare the lake with the warehouse record by record and field by field, and optionally repair drift
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    writes: WriteFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    span: SpanFlags,
    #[command(flatten)]
    rules: RulesFlags,
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
    #[arg(long, value_name = "FILE", requires = "repair", value_parser = output_path())]
    undo_file: Option<PathBuf>,
    /// With --repair: show the changes without making them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    report: ReportFlag,
    /// Write all findings to an NDJSON file
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    drift: Option<PathBuf>,
    /// Write the audit evidence to a new directory: outcome, findings, totals, report, checksums
    #[arg(long, value_name = "DIR", value_parser = a_path())]
    evidence: Option<PathBuf>,
    /// Exit 0 if findings do not exceed this: a count, or a percentage of the ids compared such as 0.1%
    #[arg(long, value_name = "N|P%")]
    max_drift: Option<Budget>,
    /// Stop after N findings
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    halt_after: Option<u64>,
    /// Report new, persisting and resolved findings since an earlier audit (its drift file or --output json)
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Compare ids only, without reading objects whose names contain the id
    #[arg(long)]
    quick: bool,
    /// Cache object contents in this directory, so that the next audit reads only new or changed objects
    #[arg(long, value_name = "DIR", value_parser = a_path())]
    cache: Option<PathBuf>,
    #[command(flatten)]
    parts: PartsFlags,
    #[command(flatten)]
    listing: ListingFlags,
    /// Accept differences up to AMOUNT in this column; a duration such as 1s for times (repeatable)
    #[arg(long = "tolerance", value_name = "COLUMN=AMOUNT")]
    tolerances: Vec<Tolerance>,
    /// Check both stores and the quarantine against a ground-truth file of `generate --truth` (repeat for each part)
    #[arg(long, value_name = "FILE", conflicts_with = "farms")]
    truth: Vec<PathBuf>,
    /// With --truth: how the history was ingested [default: inferred]
    #[arg(long, value_enum, value_name = "METHOD", requires = "truth")]
    ingest_path: Option<IngestPath>,
    /// Concurrent object reads [default: 256; 64 for a directory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
    #[command(flatten)]
    sort: SortFlags,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    args.check_dry_run()?;
    let lake = args.lake.open_for(args.writes.options()?).await?;
    if args.writes_lake() {
        args.writes.demand(&*lake, Conditions::weakest).await?;
    }
    let (lake, listing) = args.listing.apply(lake, &args.lake, &args.sort).await?;
    let warehouse = args.warehouse.open_bulk(None).await?;
    if args.writes_warehouse() {
        warehouse.check_writable().await?;
    }
    let to_audit = Audit {
        reads: read_concurrency(args.concurrency, lake.read_hints()),
        lake,
        warehouse,
        span: args.span.span()?,
        rules: args.rules.rules(),
        halt_after: args.halt_after,
        quick: args.quick,
        tolerances: args.tolerances.clone(),
        sort: args.sort.settings(),
        cache: args.cache.clone(),
        parts: args.parts.parts,
        listing,
        truth: TruthAsked { files: args.truth.clone(), ingest_path: args.ingest_path },
        allow_empty: args.span.allow_empty,
    };
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let sink = DriftWriter::new(args.drift.as_deref()).with_context(|| match &args.drift {
        Some(path) => format!("--drift {} cannot be written", path.display()),
        None => "cannot create a temporary file: check TMPDIR".to_owned(),
    })?;
    let sink = sink.with_baseline(baseline);
    args.report.check()?;
    let evidence = args.evidence.as_deref().map(Evidence::begin).transpose()?;
    let (mut outcome, sink) = audit(&to_audit, sink, &context.progress, &context.cancel).await?;
    let command_line = context.command_line.clone().or("warehouse", args.warehouse.url()?);
    outcome.options = args.raw_flag_value(&to_audit, &command_line);
    outcome.lake_endpoint = endpoint(&*to_audit.lake);
    outcome.max_drift = args.max_drift;
    let findings = sink.finish().context("cannot write the findings")?;
    outcome.since_baseline = findings.since.clone().filter(|_| outcome.is_whole());
    if let Some(direction) = args.repair.filter(|_| outcome.is_whole()) {
        outcome.carry.repair_asked = true;
        let plan = args.plan(direction, &outcome);
        outcome.repaired = repair(&to_audit, &findings, &plan, &context.progress, &context.cancel).await?;
        outcome.repaired.undo_command = outcome.repaired.undo_file.as_deref().map(|file| command_line.undo(file));
    }
    if let Some(path) = &args.drift {
        written("findings", path);
    }
    args.report.write(&outcome)?;
    if let Some(evidence) = evidence {
        let page = html::render(&outcome)?;
        let findings = findings.read().context("cannot read the findings back")?;
        evidence.write(&outcome, &page, findings.map(|finding| Ok(Drift::from(&finding?))))?;
        args.evidence.iter().for_each(|dir| written("evidence", dir));
    }
    Ok(Rendered::of(&outcome))
}

impl Args {
    /// Returns an error for a dry run without a repair.
    fn check_dry_run(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.repair.is_some() || !self.dry_run,
            "--dry-run shows what a repair would change: add --repair warehouse, lake or both, or remove --dry-run (an audit \
             without --repair changes nothing)"
        );
        Ok(())
    }

    /// Returns true if objects may be written or changed.
    fn writes_lake(&self) -> bool {
        let repairs = matches!(self.repair, Some(RepairTarget::Lake | RepairTarget::Both));
        repairs && !self.dry_run
    }

    /// Returns true if rows may be written or changed.
    fn writes_warehouse(&self) -> bool {
        let repairs = matches!(self.repair, Some(RepairTarget::Warehouse | RepairTarget::Both));
        repairs && !self.dry_run
    }

    fn plan(&self, direction: RepairTarget, outcome: &Outcome) -> RepairPlan {
        RepairPlan {
            direction,
            trust: self.trust,
            dry_run: self.dry_run,
            unidentified: outcome[Counter::Unidentified],
            max_changes: self.max_repairs,
            ids: outcome.ids(),
            undo: (undo_file(self.undo_file.as_ref()), self.warehouse.table.to_string()),
        }
    }

    /// Returns the options of the audit, for the report.
    fn raw_flag_value(&self, audit: &Audit, command_line: &CommandLine) -> AuditOptions {
        let span = &audit.span;
        let settings = AuditSettings::default()
            .with("lake", audit.lake.address())
            .with("warehouse", audit.warehouse.address())
            .with("farm", span.farms.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
            .with("from", span.from)
            .with("to", span.to)
            .with("meta-rate", audit.rules.meta_rate)
            .with("quick", self.quick)
            .with("tolerance", self.tolerances.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
            .with("max-drift", self.max_drift)
            .with("halt-after", self.halt_after)
            .with("truth", self.truth_files())
            .with("ingest-path", self.ingest_path);
        AuditOptions {
            settings_sha256: settings.sha256(),
            settings,
            farms: audit.span.farms.iter().map(ToString::to_string).collect(),
            from: audit.span.from,
            to: audit.span.to,
            meta_rate: audit.rules.meta_rate,
            command: command_line.to_string(),
            drift_file: self.drift.as_ref().map(|path| path.display().to_string()),
        }
    }

    /// Returns the truth files. `None` if there are none.
    fn truth_files(&self) -> Option<Vec<String>> {
        let files = self.truth.iter().map(|path| path.display().to_string()).collect();
        (!self.truth.is_empty()).then_some(files)
    }
}
