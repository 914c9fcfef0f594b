//! `ruminate plan`: divides a job into shards.

use chrono::{DateTime, NaiveDate, Utc};

use super::Context;
use super::flags::{LakeFlags, PartsFlags, RulesFlags, SpanFlags, WarehouseFlags};
use super::reconcile::{options_of, settings_of};
use super::run_flags::{DivisionFlags, names, open_stores};
use super::sort_flags::SortFlags;
use super::times::{day, end_of_period};
use crate::fleet::{AuditJob, ReplayJob, plan_audit, plan_replay};
use crate::reconcile::{Audit, Budget, Tolerance, TruthAsked};
use crate::render::Rendered;

/// Divide a job into shards that can run anywhere, and write the plan of the run
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
    /// Only records processed (row_ts) at or before this RFC 3339 timestamp, or on or before this day
    #[arg(long, value_name = "TIMESTAMP|DATE", value_parser = end_of_period)]
    processed_until: Option<DateTime<Utc>>,
    /// Only records whose field `data` (the reading's date) is on or after this day, regardless of their path
    #[arg(long, value_name = "DATE", value_parser = day)]
    data_from: Option<NaiveDate>,
    /// Only records whose field `data` (the reading's date) is on or before this day
    #[arg(long, value_name = "DATE", value_parser = day)]
    data_to: Option<NaiveDate>,
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

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    match args.job {
        Job::Reconcile(args) => args.plan(context).await,
        Job::Replay(args) => args.plan(context).await,
    }
}

impl ReconcileArgs {
    async fn plan(&self, context: &Context) -> anyhow::Result<Rendered> {
        let stores = open_stores(self.lake.open().await?, &self.warehouse, None, &SortFlags::default()).await?;
        let audit = Audit {
            lake: stores.lake.clone(),
            warehouse: stores.warehouse.clone(),
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
            truth: TruthAsked::default(),
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
        let named = names(&stores, &self.warehouse)?;
        let to = self.division.open().await?;
        Ok(Rendered::of(&plan_audit(&stores, job, named, to, &context.progress, &context.cancel).await?))
    }
}

impl ReplayArgs {
    async fn plan(&self, context: &Context) -> anyhow::Result<Rendered> {
        if let (Some(from), Some(to)) = (self.data_from, self.data_to) {
            anyhow::ensure!(from <= to, "--data-from {from} is after --data-to {to}");
        }
        let span = self.span.span()?;
        let stores = open_stores(self.lake.open().await?, &self.warehouse, None, &SortFlags::default()).await?;
        let job = ReplayJob {
            farms: span.farms.iter().map(ToString::to_string).collect(),
            from: span.from,
            to: span.to,
            processed_until: self.processed_until,
            data_from: self.data_from,
            data_to: self.data_to,
            parts: self.parts.parts,
            verify: self.verify,
            allow_empty: self.span.allow_empty,
            rows_per_second: self.rows_per_second,
            shards_at_once: self.shards_at_once,
            command: context.command_line.clone().or("warehouse", self.warehouse.url()?).to_string(),
        };
        let named = names(&stores, &self.warehouse)?;
        let to = self.division.open().await?;
        Ok(Rendered::of(&plan_replay(&stores, job, named, to, &context.progress, &context.cancel).await?))
    }
}
