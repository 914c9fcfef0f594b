//! `ruminate replay`: lake → warehouse.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use clap::ValueEnum;

use super::Context;
use super::command_line::CommandLine;
use super::flags::{
    LakeFlags, LoadMethodArg, SortFlags, SpanFlags, WarehouseFlags, check_writable, output_path, read_concurrency,
    undo_file,
};
use super::throttle::ThrottleFlags;
use crate::cancellation::CancellationToken;
use crate::render::replay::write_json;
use crate::render::{Rendered, html};
use crate::replay::{
    JournalMode, ObjectSelection, Outcome, Plan, Policy, Preview, RecordFilter, Replay, ReplaySource, SwapOptions,
    ThrottleSettings, find_resumable_run, replay_into_new_table, shadow_table_name,
};
use crate::undo::{UndoFile, revert};
use pipeline::lake::Span;
use pipeline::warehouse::BulkWarehouse;

/// Brings the warehouse back from the lake; safe to repeat
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    span: SpanFlags,
    /// Say what would be read and what it takes, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// What to do where a row holds other values than the lake
    #[arg(long, value_enum, default_value = "keep", value_name = "POLICY")]
    on_conflict: Policy,
    /// Where --on-conflict overwrite writes rows down before it changes them [default: ruminate-undo-<TIME>.ndjson]
    #[arg(long, value_name = "FILE.ndjson", value_parser = output_path())]
    undo_file: Option<PathBuf>,
    /// Put back what an undo file says was overwritten; nothing is read from the lake
    #[arg(long, value_name = "FILE.ndjson", conflicts_with_all = ["resume", "into_new_table", "verify"])]
    undo: Option<PathBuf>,
    /// Write the recovery report: one HTML file, or JSON where the name ends in .json
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    report: Option<PathBuf>,
    /// Read every loaded row back and compare it, bit for bit
    #[arg(long)]
    verify: bool,
    /// Go on where an earlier run of the same command stopped
    #[arg(long)]
    resume: bool,
    /// How rows get in [default: LOAD DATA where the server allows it]
    #[arg(long, value_enum, value_name = "METHOD")]
    load_method: Option<LoadMethodArg>,
    /// Load into a new table, verify it, and swap it in when it is whole; the old table is kept under another name
    #[arg(long)]
    into_new_table: bool,
    /// With --into-new-table: swap although so many records would be missing that cannot be read, or are only in the old table
    #[arg(long, value_name = "N", default_value_t = 0)]
    accept_missing: u64,
    /// Keep no journal in the warehouse: for accounts that may not create a table; such a run cannot be resumed
    #[arg(long, conflicts_with = "resume")]
    no_journal: bool,
    /// Objects read at once [default: 256; 64 in a directory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
    #[command(flatten)]
    limit: FilterFlags,
    #[command(flatten)]
    gentle: ThrottleFlags,
    #[command(flatten)]
    sort: SortFlags,
}

/// Which records.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
struct FilterFlags {
    /// Only the objects that a drift file names
    #[arg(long, value_name = "FILE")]
    only: Option<PathBuf>,
    /// Only records processed no later than this (row_ts), a time in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<DateTime<Utc>>,
    /// Only records whose data is on this day or later, wherever they lie
    #[arg(long, value_name = "DATE")]
    data_from: Option<NaiveDate>,
    /// Only records whose data is on this day or earlier
    #[arg(long, value_name = "DATE")]
    data_to: Option<NaiveDate>,
    /// The lake as it was at this time: a bucket that keeps versions is read as it was then, deleted objects and all
    #[arg(long, value_name = "TIME", value_parser = time)]
    versions_at: Option<DateTime<Utc>>,
}

impl FilterFlags {
    fn check(&self) -> anyhow::Result<()> {
        if let (Some(from), Some(to)) = (self.data_from, self.data_to) {
            ensure!(from <= to, "--data-from {from} is after --data-to {to}");
        }
        Ok(())
    }

    fn filter(&self) -> RecordFilter {
        RecordFilter { until: self.until, data_from: self.data_from, data_to: self.data_to }
    }

    fn append_to(&self, command: &mut CommandLine) {
        command.flag_if_some("only", self.only.as_ref().map(|path| path.display()));
        command.flag_if_some("until", self.until.map(|at| at.to_rfc3339()));
        command.flag_if_some("data-from", self.data_from).flag_if_some("data-to", self.data_to);
        command.flag_if_some("versions-at", self.versions_at.map(|at| at.to_rfc3339()));
    }
}

impl Args {
    /// The replay as a command for a shell: with it, it runs as it did.
    fn command(&self, span: &Span) -> anyhow::Result<String> {
        let mut command = CommandLine::new("replay");
        command.stores(&self.lake, &self.warehouse)?.span(span).flag_if("allow-empty", self.span.allow_empty);
        self.limit.append_to(&mut command);
        command.flag_unless_default("on-conflict", self.on_conflict, Policy::default());
        command.flag_if_some("undo-file", self.undo_file.as_ref().map(|path| path.display()));
        command.flag_if_some("report", self.report.as_ref().map(|path| path.display()));
        let method = self.load_method.as_ref().and_then(ValueEnum::to_possible_value);
        command.flag_if_some("load-method", method.as_ref().map(|method| method.get_name().to_owned()));
        command.flag_if("into-new-table", self.into_new_table).flag_unless_default(
            "accept-missing",
            self.accept_missing,
            0,
        );
        command.flag_if("no-journal", self.no_journal).flag_if("verify", self.verify);
        self.gentle.append_to(&mut command)?;
        command.flag_if_some("concurrency", self.concurrency);
        command.sort(&self.sort);
        Ok(command.to_string())
    }

    /// Where overwritten rows are written down, where any are.
    fn undo(&self) -> Option<UndoFile> {
        let file = || UndoFile::new(undo_file(self.undo_file.as_ref()), self.warehouse.table.to_string());
        (self.on_conflict == Policy::Overwrite).then(file)
    }

    /// The journal that is kept, if one is: that of an earlier run where it is to go on.
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
            tracing::info!("there is nothing to resume for this lake and table: starting anew");
        }
        Ok(Some(JournalMode::New))
    }

    fn reads(&self, plan: &Plan) -> usize {
        read_concurrency(self.concurrency, plan.read_hints())
    }

    /// Refuses a lake that has nothing of what is asked for, before anything is changed.
    async fn refuse_empty(&self, plan: &Plan, into: &ReplayTarget, cancel: &CancellationToken) -> anyhow::Result<()> {
        if self.span.allow_empty {
            return Ok(());
        }
        let Some(empty) = stop.run_until_cancelled(plan.empty()).await.transpose()?.flatten() else { return Ok(()) };
        if !self.dry_run && !self.into_new_table {
            into.bulk.table_schema().await?; // that there is no table comes first
        }
        let then = self.limit.versions_at.map(|at| format!(" as it was at {}", at.to_rfc3339())).unwrap_or_default();
        let lake = &self.lake.lake;
        bail!("nothing of the lake {lake}{then} can be replayed: {empty}; where that is meant, give --allow-empty")
    }

    async fn dry_run(&self, plan: &Plan, into: &ReplayTarget, cancel: &CancellationToken) -> anyhow::Result<Preview> {
        let mut preview = plan.preview(&*into.bulk, self.on_conflict, self.reads(plan), stop).await?;
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
                limits: self.gentle.limits(),
                reload: self.gentle.reload(),
                replicas: self.gentle.open(&self.warehouse)?,
                unavailable_timeout: Duration::from_secs(self.gentle.patience),
            },
        };
        if !self.into_new_table {
            return crate::replay::run(replay, progress, cancel).await;
        }
        let (name, accept_missing) = (&self.warehouse.table, self.accept_missing);
        replay_into_new_table(
            replay,
            SwapOptions { table, name, accept_missing, resume: self.resume },
            progress,
            cancel,
        )
        .await
    }

    fn write_report(&self, outcome: &Outcome) {
        let Some(path) = &self.report else { return };
        let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let written = if json { write_json(outcome, path) } else { html::write(path, outcome) };
        if let Err(e) = written {
            tracing::error!("--report {} cannot be written: {e}", path.display());
        }
    }
}

/// The table that is meant, and the one that is loaded: its shadow where that is to take its place.
struct ReplayTarget {
    table: Arc<dyn BulkWarehouse>,
    bulk: Arc<dyn BulkWarehouse>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    if let Some(path) = &args.undo {
        let (table, name) =
            (args.warehouse.open_bulk(args.load_method.map(LoadMethodArg::into)).await?, args.warehouse.table.as_str());
        let lake = args.lake.open().await;
        return Ok(Rendered::of(&revert(&*table, &*lake, path, name, args.dry_run, &context.cancel).await?));
    }
    let span = args.span.span()?;
    args.limit.check()?;
    args.gentle.check()?;
    let command = args.command(&span)?;
    let only = args.limit.only.as_ref().map(read_only).transpose()?;
    if let (Some(path), false) = (&args.report, args.dry_run) {
        check_writable("--report", path)?;
    }
    let (lake, table) =
        (args.lake.open().await, args.warehouse.open_bulk(args.load_method.map(LoadMethodArg::into)).await?);
    let bulk = match args.into_new_table {
        true => table.with_table(shadow_table_name(&args.warehouse.table)?),
        false => Arc::clone(&table),
    };
    let source = ReplaySource { lake, span, only, filter: args.limit.filter(), versions_at: args.limit.versions_at };
    let into = ReplayTarget { table, bulk };
    let plan = context.cancel.run_until_cancelled(Plan::new(source)).await.transpose()?;
    ensure!(
        !args.into_new_table || plan.as_ref().is_none_or(Plan::is_whole),
        "--into-new-table needs the whole lake: leave --farm, --from, --to, --data-from, --data-to and --only away"
    );
    if let Some(plan) = &plan {
        args.refuse_empty(plan, &into, &context.cancel).await?;
    }
    if args.dry_run {
        let preview = match &plan {
            Some(plan) => args.dry_run(plan, &into, &context.cancel).await?,
            None => Preview { stopped: Some(NOT_BEGUN.into()), ..Preview::default() },
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
    let outcome = Outcome { command, ..outcome };
    args.write_report(&outcome);
    Ok(Rendered::of(&outcome))
}

const NOT_BEGUN: &str = "asked to stop before anything was read";

fn interrupted_before_start() -> Outcome {
    Outcome { stopped: Some(NOT_BEGUN.into()), ..Outcome::default() }
}

fn read_only(path: &PathBuf) -> anyhow::Result<ObjectSelection> {
    let text = std::fs::read_to_string(path).with_context(|| format!("--only {}", path.display()))?;
    ObjectSelection::parse(&text)
        .map_err(|e| anyhow!("--only {}: {e}: it takes a drift file of `ruminate reconcile`", path.display()))
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    pipeline::record::timestamp::parse(text).ok_or_else(|| "write a time like 2026-11-22T18:00:00Z".to_owned())
}
