//! `ruminate reconcile`: compares lake and warehouse.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Context;
use super::audit_result::ResultFlags;
use super::command_line::CommandLine;
use super::flags::{LakeFlags, PartsFlags, RulesFlags, SpanFlags, WarehouseFlags, a_path, endpoint, read_concurrency};
use super::listing::ListingFlags;
use super::sort_flags::SortFlags;
use super::write_flags::WriteFlags;
use crate::reconcile::{Audit, AuditOptions, AuditSettings, Budget, IngestPath, Tolerance, TruthOptions, run as audit};
use crate::render::Rendered;
use pipeline::lake::Conditions;

/// Compare the lake with the warehouse, and repair drift
///
/// Every record and every field is compared. Drift is repaired only with --repair.
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
    #[command(flatten)]
    results: ResultFlags,
    /// Exit 0 if findings do not exceed this: a count, or a percentage of the ids compared such as 0.1%
    #[arg(long, value_name = "N|P%")]
    max_drift: Option<Budget>,
    /// Stop after N findings
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    halt_after: Option<u64>,
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
    args.results.check()?;
    let lake = args.lake.open_for(args.writes.options()?).await?;
    if args.results.writes_lake() {
        args.writes.demand(&*lake, Conditions::weakest).await?;
    }
    let (lake, listing) = args.listing.apply(lake, &args.lake, &args.sort).await?;
    let warehouse = args.warehouse.open_bulk(None).await?;
    if args.results.writes_warehouse() {
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
        truth: TruthOptions { files: args.truth.clone(), ingest_path: args.ingest_path },
        allow_empty: args.span.allow_empty,
    };
    let (sink, files) = args.results.begin()?;
    let (mut outcome, sink) = audit(&to_audit, sink, &context.progress, &context.cancel).await?;
    let command_line = context.command_line.clone().or("warehouse", args.warehouse.url()?);
    outcome.set_options(args.options(&to_audit, &command_line));
    outcome.lake_endpoint = endpoint(&*to_audit.lake);
    outcome.max_drift = args.max_drift;
    let undo = (&command_line, args.warehouse.table.to_string());
    args.results.finish(&to_audit, (outcome, sink), files, undo, context).await
}

impl Args {
    /// Returns the options of the audit, for the report.
    fn options(&self, audit: &Audit, command_line: &CommandLine) -> AuditOptions {
        let settings = settings_of(audit, self.max_drift)
            .with("halt-after", self.halt_after)
            .with("truth", self.truth_files())
            .with("ingest-path", self.ingest_path);
        let drift_file = self.results.drift.as_ref().map(|path| path.display().to_string());
        AuditOptions { drift_file, ..options_of(audit, settings, command_line.to_string()) }
    }

    /// Returns the truth files. `None` if there are none.
    fn truth_files(&self) -> Option<Vec<String>> {
        let files = self.truth.iter().map(|path| path.display().to_string()).collect();
        (!self.truth.is_empty()).then_some(files)
    }
}

/// Returns the settings that an audit shares with its plan.
pub(super) fn settings_of(audit: &Audit, max_drift: Option<Budget>) -> AuditSettings {
    let span = &audit.span;
    AuditSettings::default()
        .with("lake", audit.lake.address())
        .with("warehouse", audit.warehouse.address())
        .with("farm", span.farms.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
        .with("from", span.from)
        .with("to", span.to)
        .with("meta-rate", audit.rules.meta_rate)
        .with("quick", audit.quick)
        .with("tolerance", audit.tolerances.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
        .with("max-drift", max_drift)
}

/// Returns the options of an audit with these settings.
pub(super) fn options_of(audit: &Audit, settings: AuditSettings, command: String) -> AuditOptions {
    AuditOptions {
        settings_sha256: settings.sha256(),
        settings,
        farms: audit.span.farms.iter().map(ToString::to_string).collect(),
        from: audit.span.from,
        to: audit.span.to,
        meta_rate: audit.rules.meta_rate,
        command,
        drift_file: None,
    }
}
