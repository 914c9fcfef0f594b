//! `ruminate plan`: divides a job into shards.

use super::Context;
use super::compact::CompactFlags;
use super::flags::{LakeFlags, PartsFlags, RulesFlags, SpanFlags, WarehouseFlags};
use super::reconcile::{options_of, settings_of};
use super::record_flags::RecordFlags;
use super::run_flags::{DivisionFlags, names, open_stores};
use super::sort_flags::SortFlags;
use crate::fleet::{AuditJob, CompactJob, ReplayJob, plan_audit, plan_compaction, plan_replay};
use crate::reconcile::{Audit, Budget, Tolerance, TruthOptions};
use crate::render::Rendered;

/// Divide a job into shards, and write the plan of the run
///
/// The result equals that of a single run. Run every shard with `ruminate shard RUN --shard K`, then `ruminate merge RUN`.
#[derive(Debug, clap::Args)]
#[command(disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, clap::Subcommand)]
enum Job {
    Reconcile(Box<ReconcileArgs>),
    Replay(Box<ReplayArgs>),
    Compact(Box<CompactArgs>),
}

/// Plan an audit of the lake against the warehouse
#[derive(Debug, clap::Args)]
struct ReconcileArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    span: SpanFlags,
    #[command(flatten)]
    rules: RulesFlags,
    /// Exit 0 if findings do not exceed this: a count, or a percentage of the ids compared such as 0.1%
    #[arg(long, value_name = "N|P%")]
    max_drift: Option<Budget>,
    /// Compare ids only, without reading objects whose names contain the id
    #[arg(long)]
    quick: bool,
    /// Accept differences up to AMOUNT in this column; a duration such as 1s for times (repeatable)
    #[arg(long = "tolerance", value_name = "COLUMN=AMOUNT")]
    tolerances: Vec<Tolerance>,
    #[command(flatten)]
    parts: PartsFlags,
    #[command(flatten)]
    division: DivisionFlags,
}

/// Plan a replay of the lake into the warehouse; existing rows are kept
#[derive(Debug, clap::Args)]
struct ReplayArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    span: SpanFlags,
    #[command(flatten)]
    records: RecordFlags,
    /// Read every loaded row back and compare it bit for bit
    #[arg(long)]
    verify: bool,
    /// Maximum average rows per second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows_per_second: Option<u64>,
    /// Maximum number of shards that run at once; each gets its share of --rows-per-second [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shards_at_once: Option<u32>,
    #[command(flatten)]
    parts: PartsFlags,
    #[command(flatten)]
    division: DivisionFlags,
}

/// Plan a compaction of the lake into Parquet parts; each shard has complete months
///
/// A month of a farm is one file, so --from and --to are extended to whole months: --from 2026-11-10 starts on 2026-11-01.
#[derive(Debug, clap::Args)]
struct CompactArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    span: SpanFlags,
    #[command(flatten)]
    parts: CompactFlags,
    #[command(flatten)]
    division: DivisionFlags,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    match args.job {
        Job::Reconcile(args) => args.plan(context).await,
        Job::Replay(args) => args.plan(context).await,
        Job::Compact(args) => args.plan(context).await,
    }
}

impl ReconcileArgs {
    async fn plan(&self, context: &Context) -> anyhow::Result<Rendered> {
        let stores = open_stores(self.lake.open().await?, Some(&self.warehouse), None, &SortFlags::default()).await?;
        let audit = Audit {
            lake: stores.lake.clone(),
            warehouse: stores.warehouse()?.bulk.clone(),
            span: self.span.span()?,
            rules: self.rules.rules(),
            reads: stores.reads,
            halt_after: None,
            quick: self.quick,
            tolerances: self.tolerances.clone(),
            sort: stores.sort.clone(),
            cache: None,
            parts: self.parts.parts,
            listing: None,
            truth: TruthOptions::default(),
            allow_empty: self.span.allow_empty,
        };
        let command = context.command_line.clone().or("warehouse", self.warehouse.url()?).to_string();
        let job = AuditJob {
            options: options_of(&audit, settings_of(&audit, self.max_drift), command),
            quick: self.quick,
            tolerances: self.tolerances.iter().map(ToString::to_string).collect(),
            max_drift: self.max_drift,
            parts: self.parts.parts,
            allow_empty: self.span.allow_empty,
        };
        let named = names(&stores, Some(&self.warehouse)).await?;
        let to = self.division.open().await?;
        Ok(Rendered::of(&plan_audit(&stores, job, named, to, &context.progress, &context.cancel).await?))
    }
}

impl ReplayArgs {
    async fn plan(&self, context: &Context) -> anyhow::Result<Rendered> {
        let (span, filter) = (self.span.span()?, self.records.filter()?);
        let stores = open_stores(self.lake.open().await?, Some(&self.warehouse), None, &SortFlags::default()).await?;
        let job = ReplayJob {
            farms: span.farms.iter().map(ToString::to_string).collect(),
            from: span.from,
            to: span.to,
            processed_until: filter.until,
            data_from: filter.data_from,
            data_to: filter.data_to,
            parts: self.parts.parts,
            verify: self.verify,
            allow_empty: self.span.allow_empty,
            rows_per_second: self.rows_per_second,
            shards_at_once: self.shards_at_once,
            command: context.command_line.clone().or("warehouse", self.warehouse.url()?).to_string(),
        };
        let named = names(&stores, Some(&self.warehouse)).await?;
        let to = self.division.open().await?;
        Ok(Rendered::of(&plan_replay(&stores, job, named, to, &context.progress, &context.cancel).await?))
    }
}

impl CompactArgs {
    async fn plan(&self, context: &Context) -> anyhow::Result<Rendered> {
        let span = self.span.span()?;
        let lake = self.lake.open_for(self.division.write_options()?).await?;
        let stores = open_stores(lake, None, None, &SortFlags::default()).await?;
        let job = CompactJob {
            farms: span.farms.iter().map(ToString::to_string).collect(),
            from: span.from,
            to: span.to,
            bodies: self.parts.bodies(),
            verification: self.parts.verification(),
            on_deleted: self.parts.on_deleted(),
            allow_empty: self.span.allow_empty,
            command: context.command_line.to_string(),
        };
        let named = names(&stores, None).await?;
        let to = self.division.open().await?;
        Ok(Rendered::of(&plan_compaction(&stores, job, named, to, &context.progress, &context.cancel).await?))
    }
}
