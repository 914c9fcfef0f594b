//! `ruminate replay`: loads the lake into the warehouse.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use chrono::{DateTime, Utc};

use super::Context;
use super::flags::{
    LakeFlags, LoadMethodArg, PartsFlags, SpanFlags, WarehouseFlags, endpoint, ndjson_path, read_concurrency, undo_file,
};
use super::listing::ListingFlags;
use super::record_flags::RecordFlags;
use super::report::ReportFlag;
use super::sort_flags::SortFlags;
use super::throttle::ThrottleFlags;
use super::times::timestamp;
use crate::cancellation::CancellationToken;
use crate::render::Rendered;
use crate::replay::{
    JournalMode, ObjectSelection, Outcome, Plan, Policy, Preview, Replay, ReplaySource, SwapOptions, ThrottleSettings,
    find_resumable_run, replay_into_new_table, shadow_table_name,
};
use crate::undo::UndoFile;
use pipeline::warehouse::BulkWarehouse;

/// Rebuild the warehouse from the lake (idempotent)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    span: SpanFlags,
    /// Show what would be read, with time and cost estimates, without changing anything
    #[arg(long)]
    dry_run: bool,
    /// What to do when a row's values differ from the lake's
    #[arg(long, value_enum, default_value = "keep", value_name = "POLICY")]
    on_conflict: Policy,
    /// Undo file for --on-conflict overwrite, appended to if it exists [default: ruminate-undo-<TIME>.ndjson]
    #[arg(long, value_name = "FILE", value_parser = ndjson_path())]
    undo_file: Option<PathBuf>,
    #[command(flatten)]
    report: ReportFlag,
    /// Read every loaded row back and compare it bit for bit
    #[arg(long)]
    verify: bool,
    /// Resume an interrupted run of the same command
    #[arg(long)]
    resume: bool,
    /// Load method [default: LOAD DATA if the server allows it]
    #[arg(long, value_enum, value_name = "METHOD")]
    load_method: Option<LoadMethodArg>,
    /// Load into a new table, verify it and swap it in; the old table is kept under a new name
    #[arg(long)]
    into_new_table: bool,
    /// With --into-new-table: swap even if up to N records would be missing (unreadable, or only in the old table)
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_missing: u64,
    /// Do not keep a journal in the warehouse (no CREATE privilege needed); the run cannot be resumed
    #[arg(long, conflicts_with = "resume")]
    no_journal: bool,
    /// Concurrent object reads [default: 256; 64 for a directory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
    #[command(flatten)]
    parts: PartsFlags,
    #[command(flatten)]
    listing: ListingFlags,
    #[command(flatten)]
    limit: FilterFlags,
    #[command(flatten)]
    throttle: ThrottleFlags,
    #[command(flatten)]
    sort: SortFlags,
}

/// Flags that select records.
#[derive(Debug, clap::Args)]
struct FilterFlags {
    /// Only objects listed in a drift file
    #[arg(long, value_name = "FILE")]
    only: Option<PathBuf>,
    #[command(flatten)]
    records: RecordFlags,
    /// Read a versioned bucket as it was at this RFC 3339 timestamp, including objects deleted since
    #[arg(long, value_name = "TIMESTAMP", value_parser = timestamp, conflicts_with = "listing")]
    as_of: Option<DateTime<Utc>>,
}

impl Args {
    /// Returns the undo file for overwritten rows. `None` if rows are not overwritten.
    fn undo(&self) -> Option<UndoFile> {
        let file = || UndoFile::new(undo_file(self.undo_file.as_ref()), self.warehouse.table.to_string());
        (self.on_conflict == Policy::Overwrite).then(file)
    }

    /// Returns the journal to write: that of an earlier run with `--resume`. `None` with `--no-journal`.
    async fn journal(&self, bulk: &dyn BulkWarehouse, plan: &Plan) -> anyhow::Result<Option<JournalMode>> {
        if self.no_journal {
            return Ok(None);
        }
        if self.resume {
            if let Some(before) =
                find_resumable_run(bulk, plan, self.on_conflict, self.verify || self.into_new_table).await?
            {
                return Ok(Some(JournalMode::Resume(Box::new(before))));
            }
            tracing::info!("no interrupted run for this lake and table: starting a new one");
        }
        Ok(Some(JournalMode::New))
    }

    fn reads(&self, plan: &Plan) -> usize {
        read_concurrency(self.concurrency, plan.read_hints())
    }

    /// Returns an error if the lake contains nothing that was requested, before anything is changed.
    async fn refuse_empty(&self, plan: &Plan, into: &ReplayTarget, cancel: &CancellationToken) -> anyhow::Result<()> {
        if self.span.allow_empty {
            return Ok(());
        }
        let Some(empty) = cancel.run_until_cancelled(plan.empty()).await.transpose()?.flatten() else { return Ok(()) };
        if !self.dry_run && !self.into_new_table {
            into.bulk.table_schema().await?; // a missing table is reported first
        }
        let then = self.limit.as_of.map(|at| format!(" as it was at {}", at.to_rfc3339())).unwrap_or_default();
        let lake = &self.lake.lake;
        bail!("nothing to replay from lake \"{lake}\"{then}: {empty}; if that is intended, add --allow-empty")
    }

    async fn dry_run(&self, plan: &Plan, into: &ReplayTarget, cancel: &CancellationToken) -> anyhow::Result<Preview> {
        let mut preview = plan.preview(&*into.bulk, self.on_conflict, self.reads(plan), cancel).await?;
        if self.into_new_table {
            let table = self.warehouse.table.to_string();
            preview.swaps(&table, into.bulk.address(), into.table.swap_blockers().await?);
        }
        Ok(preview)
    }

    async fn load(&self, plan: Plan, into: ReplayTarget, context: &Context) -> anyhow::Result<Outcome> {
        let ReplayTarget { table, bulk } = into;
        let (progress, cancel) = (&context.progress, &context.cancel);
        let Some(journal) = cancel.run_until_cancelled(self.journal(&*bulk, &plan)).await.transpose()? else {
            return Ok(interrupted_before_start());
        };
        let replay = Replay {
            read_concurrency: self.reads(&plan),
            plan,
            bulk,
            policy: self.on_conflict,
            verify: self.verify,
            load_concurrency: self.warehouse.connections as usize,
            sort: self.sort.settings(),
            undo_file: self.undo(),
            journal,
            throttle: ThrottleSettings {
                limits: self.throttle.limits(),
                reload: self.throttle.reload(&context.config),
                replicas: self.throttle.open(&self.warehouse)?,
                unavailable_timeout: self.throttle.unavailable_timeout,
            },
            left: None,
        };
        if !self.into_new_table {
            return crate::replay::run(replay, progress, cancel).await;
        }
        let (name, max_missing) = (&self.warehouse.table, self.max_missing);
        replay_into_new_table(replay, SwapOptions { table, name, max_missing, resume: self.resume }, progress, cancel)
            .await
    }
}

/// Target table, and the table to load: its shadow if the target is to be replaced.
struct ReplayTarget {
    table: Arc<dyn BulkWarehouse>,
    bulk: Arc<dyn BulkWarehouse>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let span = args.span.span()?;
    let filter = args.limit.records.filter()?;
    args.throttle.check()?;
    let command_line = context.command_line.clone().or("warehouse", args.warehouse.url()?);
    let only = args.limit.only.as_ref().map(read_only).transpose()?;
    if !args.dry_run {
        args.report.check()?;
    }
    let (lake, table) =
        (args.lake.open().await?, args.warehouse.open_bulk(args.load_method.map(LoadMethodArg::into)).await?);
    let bulk = match args.into_new_table {
        true => table.with_table(shadow_table_name(&args.warehouse.table)?),
        false => Arc::clone(&table),
    };
    let lake_endpoint = endpoint(&*lake);
    let (lake, listing) = args.listing.apply(lake, &args.lake, &args.sort).await?;
    let source = ReplaySource { lake, span, only, filter, as_of: args.limit.as_of, parts: args.parts.parts };
    let into = ReplayTarget { table, bulk };
    let plan = context.cancel.run_until_cancelled(Plan::new(source)).await.transpose()?;
    ensure!(
        !args.into_new_table || plan.as_ref().is_none_or(Plan::is_complete),
        "--into-new-table loads the whole lake: remove --farm, --from, --to, --data-from, --data-to and --only"
    );
    if let Some(plan) = &plan {
        args.refuse_empty(plan, &into, &context.cancel).await?;
    }
    if args.dry_run {
        let preview = match &plan {
            Some(plan) => args.dry_run(plan, &into, &context.cancel).await?,
            None => Preview { stopped: Some(NOT_STARTED.into()), ..Preview::default() },
        };
        return Ok(Rendered::of(&preview));
    }
    let outcome = match plan {
        None => interrupted_before_start(),
        Some(plan) => match plan.empty_outcome(&*into.bulk, args.on_conflict) {
            Some(nothing) => nothing,
            None => args.load(plan, into, context).await?,
        },
    };
    let undo_commands =
        outcome.earlier_undo_files.iter().chain(&outcome.undo_file).map(|file| command_line.undo(file)).collect();
    let (command, allow_empty) = (command_line.to_string(), args.span.allow_empty);
    let outcome = Outcome { command, undo_commands, lake_endpoint, listing, allow_empty, ..outcome };
    args.report.write_or_log(&outcome);
    Ok(Rendered::of(&outcome))
}

const NOT_STARTED: &str = "interrupted before anything was read";

fn interrupted_before_start() -> Outcome {
    Outcome { stopped: Some(NOT_STARTED.into()), ..Outcome::default() }
}

fn read_only(path: &PathBuf) -> anyhow::Result<ObjectSelection> {
    let file = std::fs::File::open(path).with_context(|| format!("--only {}", path.display()))?;
    ObjectSelection::read(std::io::BufReader::new(file))
        .map_err(|e| anyhow!("--only {}: {e}: pass a drift file of `ruminate reconcile`", path.display()))
}
