//! `ruminate reconcile`: lake against warehouse.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum as _;

use super::Context;
use super::command_line::CommandLine;
use super::flags::{
    LakeFlags, RulesFlags, SortFlags, SpanFlags, WarehouseFlags, WriteFlags, a_path, output_path, read_concurrency,
    undo_file,
};
use crate::evidence::Evidence;
use crate::reconcile::{
    Audit, AuditOptions, AuditSettings, Baseline, Budget, Counter, Drift, DriftWriter, IngestPath, Outcome, RepairPlan,
    RepairTarget, Tolerance, Trust, TruthAsked, repair, run as audit,
};
use crate::render::{Rendered, html};
use crate::undo::revert;
use pipeline::lake::Conditions;

/// Audits lake against warehouse, record by record and field by field, and repairs what can be repaired
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
    /// Mend this side, or both; objects of the lake are never moved or deleted, and written over by --trust warehouse only
    #[arg(long, value_enum, value_name = "SIDE")]
    repair: Option<RepairTarget>,
    /// With --repair: which side is right where both have other values
    #[arg(long, value_enum, value_name = "SIDE", default_value = "lake", requires = "repair")]
    trust: Trust,
    /// With --repair: change nothing at all where it would be more than that
    #[arg(long, value_name = "N|P%", requires = "repair")]
    max_repairs: Option<Budget>,
    /// With --repair: where what is changed is written down before it is [default: ruminate-undo-<TIME>.ndjson]
    #[arg(long, value_name = "FILE", requires = "repair", value_parser = output_path())]
    undo_file: Option<PathBuf>,
    /// Put back what a repair has changed, as its undo file says; nothing is audited
    #[arg(long, value_name = "FILE", conflicts_with = "repair")]
    undo: Option<PathBuf>,
    /// With --repair: say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the report as one HTML file
    #[arg(long, value_name = "FILE.html", value_parser = output_path())]
    report: Option<PathBuf>,
    /// Write every finding as one JSON object a line
    #[arg(long, value_name = "FILE.ndjson", value_parser = output_path())]
    drift: Option<PathBuf>,
    /// Write the whole evidence into a new folder: audit, findings, totals, report, and their SHA-256
    #[arg(long, value_name = "DIR", value_parser = a_path())]
    evidence: Option<PathBuf>,
    /// Pass (exit 0) with no more findings than that: a count, or a share of the ids compared, such as 0.1%
    #[arg(long, value_name = "N|P%")]
    max_drift: Option<Budget>,
    /// End after so many findings: enough to know
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    halt_after: Option<u64>,
    /// Say what is new, what persists and what is resolved since an earlier audit: its drift file, or its JSON
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Only say which ids are missing on either side: objects whose names have their ids are not opened
    #[arg(long)]
    quick: bool,
    /// Keep what is learnt of each object in this folder, so that the next audit reads only what is new
    #[arg(long, value_name = "DIR", value_parser = a_path())]
    cache: Option<PathBuf>,
    /// Let values of this column pass that are no further apart, times in seconds; may be repeated
    #[arg(long = "tolerance", value_name = "COLUMN=AMOUNT")]
    tolerances: Vec<Tolerance>,
    /// Hold both stores and the quarantine against what `generate --truth` wrote of the history; may be repeated: all its parts
    #[arg(long, value_name = "FILE", conflicts_with = "farms")]
    truth: Vec<PathBuf>,
    /// With --truth: how the history came in; where it is left out, what is there tells
    #[arg(long, value_enum, value_name = "DOOR", requires = "truth")]
    truth_door: Option<IngestPath>,
    /// Objects read at once [default: 256; 64 in a directory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Resources")]
    concurrency: Option<u32>,
    #[command(flatten)]
    sort: SortFlags,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let lake = args.lake.open_for(args.writes.unconditional()).await;
    if args.writes_lake() {
        args.writes.demand(&*lake, Conditions::weakest).await?;
    }
    if let Some(path) = &args.undo {
        let table = args.warehouse.open_bulk(None).await?;
        let name = args.warehouse.table.as_str();
        return Ok(Rendered::of(&revert(&*table, &*lake, path, name, args.dry_run, &context.cancel).await?));
    }
    let to_audit = Audit {
        reads: read_concurrency(args.concurrency, lake.read_hints()),
        lake,
        warehouse: args.warehouse.open_bulk(None).await?,
        span: args.span.span()?,
        rules: args.rules.rules(),
        halt_after: args.halt_after,
        quick: args.quick,
        tolerances: args.tolerances.clone(),
        sort: args.sort.settings(),
        cache: args.cache.clone(),
        truth: TruthAsked { files: args.truth.clone(), ingest_path: args.truth_door },
        allow_empty: args.span.allow_empty,
    };
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let sink = DriftWriter::new(args.drift.as_deref()).with_context(|| match &args.drift {
        Some(path) => format!("--drift {} cannot be written", path.display()),
        None => "no temporary file can be made: check TMPDIR".to_owned(),
    })?;
    let sink = sink.with_baseline(baseline);
    if let Some(path) = &args.report {
        html::can_write(path).with_context(|| format!("--report {} cannot be written", path.display()))?;
    }
    let evidence = args.evidence.as_deref().map(Evidence::begin).transpose()?;
    let (mut outcome, sink) = audit(&to_audit, sink, &context.progress, &context.cancel).await?;
    outcome.options = args.asked(&to_audit)?;
    outcome.max_drift = args.max_drift;
    let findings = sink.finish().context("the findings cannot be written to their end")?;
    outcome.since = findings.since.clone().filter(|_| outcome.is_whole());
    if let Some(direction) = args.repair.filter(|_| outcome.is_whole()) {
        outcome.repair_asked = true;
        let plan = args.plan(direction, &outcome);
        outcome.repaired = repair(&to_audit, &findings, &plan, &context.progress, &context.cancel).await?;
    }
    if let Some(path) = &args.report {
        html::write(path, &outcome).with_context(|| format!("--report {} cannot be written", path.display()))?;
    }
    if let Some(evidence) = evidence {
        let page = html::render(&outcome)?;
        let findings = findings.read().context("the findings cannot be read back")?;
        evidence.write(&outcome, &page, findings.map(|finding| Ok(Drift::from(&finding?))))?;
    }
    Ok(Rendered::of(&outcome))
}

impl Args {
    /// Whether objects may be written or changed.
    fn writes_lake(&self) -> bool {
        let repairs = matches!(self.repair, Some(RepairTarget::Lake | RepairTarget::Both));
        (repairs || self.undo.is_some()) && !self.dry_run
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

    /// What is asked, for the report.
    fn asked(&self, audit: &Audit) -> anyhow::Result<AuditOptions> {
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
            .with("truth-door", self.truth_door);
        Ok(AuditOptions {
            settings_sha256: settings.sha256(),
            settings,
            farms: audit.span.farms.iter().map(ToString::to_string).collect(),
            from: audit.span.from,
            to: audit.span.to,
            meta_rate: audit.rules.meta_rate,
            command: self.command(audit)?,
            drift_file: self.drift.as_ref().map(|path| path.display().to_string()),
        })
    }

    /// The truth files; none where there is none.
    fn truth_files(&self) -> Option<Vec<String>> {
        let files = self.truth.iter().map(|path| path.display().to_string()).collect();
        (!self.truth.is_empty()).then_some(files)
    }

    /// The audit as a command for a shell; settings from the environment and the file are spelled out, secrets are not.
    fn command(&self, audit: &Audit) -> anyhow::Result<String> {
        let mut command = CommandLine::new("reconcile");
        command.stores(&self.lake, &self.warehouse)?.span(&audit.span).rules(audit.rules);
        command.flag_if("allow-empty", audit.allow_empty);
        command
            .flag_if_some("max-drift", self.max_drift)
            .flag_if_some("halt-after", self.halt_after)
            .flag_if("quick", self.quick);
        for tolerance in &self.tolerances {
            command.flag("tolerance", tolerance);
        }
        for file in &self.truth {
            command.flag("truth", file.display());
        }
        command.flag_if_some(
            "truth-door",
            self.truth_door.and_then(|ingest_path| Some(ingest_path.to_possible_value()?.get_name().to_owned())),
        );
        command.flag_if_some("concurrency", self.concurrency);
        command.sort(&self.sort);
        command.flag_if_some("cache", self.cache.as_ref().map(|path| path.display()));
        Ok(command.to_string())
    }
}
