//! `ruminate replay`: lake → warehouse.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use chrono::{DateTime, NaiveDate, Utc};

use super::Context;
use super::flags::{LakeFlags, SpanFlags, WarehouseFlags, writable};
use super::settings::Watched;
use super::spelled::Spelled;
use crate::lake::Span;
use crate::replay::{
    Filter, Keep, Limits, Only, Plan, Policy, Reload, Replay, SortSettings, Source, Swap, cut_over, earlier, shadow_of,
};
use crate::report::{Printed, html};
use crate::undo::{Undo, put_back};
use crate::warehouse::{Bulk, LoadMethod};

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
    #[arg(long, value_name = "FILE.ndjson")]
    undo_file: Option<PathBuf>,
    /// Put back what an undo file says was overwritten; nothing is read from the lake
    #[arg(long, value_name = "FILE.ndjson", conflicts_with_all = ["resume", "into_new_table", "verify"])]
    undo: Option<PathBuf>,
    /// Write the recovery report: one HTML file, or JSON where the name ends in .json
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Read every loaded row back and compare it, bit for bit
    #[arg(long)]
    verify: bool,
    /// Go on where an earlier run of the same command stopped
    #[arg(long)]
    resume: bool,
    /// How rows get in [default: LOAD DATA where the server allows it]
    #[arg(long, value_enum, value_name = "METHOD")]
    load_method: Option<LoadMethod>,
    /// Load into a new table, verify it, and swap it in when it is whole; the old table is kept under another name
    #[arg(long)]
    into_new_table: bool,
    /// With --into-new-table: swap although so many records would be missing that cannot be read, or are only in the old table
    #[arg(long, value_name = "N", default_value_t = 0)]
    accept_missing: u64,
    /// Keep no journal in the warehouse: for accounts that may not create a table; such a run cannot be resumed
    #[arg(long, conflicts_with = "resume")]
    no_journal: bool,
    /// Objects read at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: u32,
    #[command(flatten)]
    limit: LimitFlags,
    #[command(flatten)]
    gentle: GentleFlags,
    /// Memory for sorting, in MB; what does not fit goes to --sort-dir
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536), help_heading = "Resources")]
    sort_memory: u32,
    /// Where records are sorted that do not fit into memory [default: TMPDIR]
    #[arg(long, value_name = "DIR", help_heading = "Resources")]
    sort_dir: Option<PathBuf>,
}

/// Which records.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
struct LimitFlags {
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

/// How gently.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Gentle on production (may be changed while it runs, in the settings file)")]
struct GentleFlags {
    /// Wait while more threads than this run on the server
    #[arg(long, value_name = "N")]
    max_threads_running: Option<u64>,
    /// Wait while a replica is further behind than this, in seconds
    #[arg(long, value_name = "SECONDS")]
    max_replica_lag: Option<f64>,
    /// A replica whose lag is watched: its address, as for --warehouse; may be repeated
    // Text until it is opened: a value that clap refuses is printed, password and all.
    #[arg(long = "replica", value_name = "URL", hide_env_values = true)]
    replicas: Vec<String>,
    /// Load no more rows a second than this, on average
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows_per_second: Option<u64>,
    /// Wait while this file is there
    #[arg(long, value_name = "FILE")]
    pause_file: Option<PathBuf>,
    /// Wait while this query answers more than 0
    #[arg(long, value_name = "SQL")]
    throttle_query: Option<String>,
    /// How long a warehouse that is gone is waited for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
}

/// What of the limits an edited settings file may change.
const WATCHED: [&str; 5] =
    ["max-threads-running", "max-replica-lag", "rows-per-second", "pause-file", "throttle-query"];

impl GentleFlags {
    /// The limits as the settings file changes them while the run goes on; what is taken out of it is as it was at the start.
    fn reload(&self) -> Reload {
        let begun = self.limits();
        let state = Watched::new(&WATCHED).map(|watched| Mutex::new((watched, begun.clone())));
        Arc::new(move || {
            let mut state = state.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
            let (watched, limits) = &mut *state;
            let changes = watched.changes();
            for (key, value) in &changes {
                let change = change(limits, &begun, key, value.as_deref());
                if let Err(e) = change {
                    tracing::warn!("settings file: {key}: {e}: it stays as it was");
                }
            }
            (!changes.is_empty()).then(|| limits.clone())
        })
    }

    fn limits(&self) -> Limits {
        Limits {
            max_threads_running: self.max_threads_running,
            max_replica_lag: self.max_replica_lag,
            rows_per_second: self.rows_per_second,
            pause_file: self.pause_file.clone(),
            throttle_query: self.throttle_query.clone(),
        }
    }
}

fn change(limits: &mut Limits, begun: &Limits, key: &str, value: Option<&str>) -> Result<(), String> {
    fn of<T: Clone + FromStr>(value: Option<&str>, begun: &Option<T>) -> Result<Option<T>, String> {
        let parsed = value.map(|text| text.parse().map_err(|_| format!("{text:?} is no value of it")));
        Ok(parsed.transpose()?.or_else(|| begun.clone()))
    }
    match key {
        "max-threads-running" => limits.max_threads_running = of(value, &begun.max_threads_running)?,
        "max-replica-lag" => limits.max_replica_lag = of(value, &begun.max_replica_lag)?,
        "rows-per-second" => limits.rows_per_second = of(value, &begun.rows_per_second)?,
        "pause-file" => limits.pause_file = of(value, &begun.pause_file)?,
        _ => limits.throttle_query = of(value, &begun.throttle_query)?,
    }
    Ok(())
}

impl Args {
    /// The replay as a command for a shell.
    fn command(&self, span: &Span) -> anyhow::Result<String> {
        let limit = &self.limit;
        let mut command = Spelled::new("replay");
        command.stores(&self.lake, &self.warehouse)?.span(span);
        command.maybe("only", limit.only.as_ref().map(|path| path.display()));
        command.maybe("until", limit.until.map(|at| at.to_rfc3339()));
        command.maybe("data-from", limit.data_from).maybe("data-to", limit.data_to);
        command.maybe("versions-at", limit.versions_at.map(|at| at.to_rfc3339()));
        if self.on_conflict != Policy::default() {
            command.flag("on-conflict", self.on_conflict);
        }
        command.switch("into-new-table", self.into_new_table).switch("no-journal", self.no_journal);
        command.switch("verify", self.verify);
        Ok(command.to_string())
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Printed> {
    if let Some(path) = &args.undo {
        let table = args.warehouse.open_bulk(args.load_method).await?;
        return Ok(Printed::of(&put_back(&*table, path, args.warehouse.table.as_str(), args.dry_run).await?));
    }
    if let (Some(path), false) = (&args.report, args.dry_run) {
        writable("--report", path)?;
    }
    let span = args.span.span()?;
    let command = args.command(&span)?;
    let only = args.limit.only.as_ref().map(read_only).transpose()?;
    let (lake, table) = (args.lake.open().await, args.warehouse.open_bulk(args.load_method).await?);
    let bulk = match args.into_new_table {
        true => table.with_table(shadow_of(&args.warehouse.table)?),
        false => Arc::clone(&table),
    };
    let filter = Filter { until: args.limit.until, data_from: args.limit.data_from, data_to: args.limit.data_to };
    let plan = Plan::new(Source { lake, span, only, filter, versions_at: args.limit.versions_at }).await?;
    if args.dry_run {
        let mut preview = plan.preview(&*bulk, args.on_conflict, args.concurrency as usize).await?;
        if args.into_new_table {
            preview.swaps(&args.warehouse.table.to_string(), bulk.address(), table.obstacles().await?);
        }
        return Ok(Printed::of(&preview));
    }
    if args.into_new_table && !plan.is_whole() {
        bail!(
            "--into-new-table needs the whole lake: leave --farm, --from, --to, --data-from, --data-to and --only away"
        );
    }
    let journal = if args.no_journal {
        None
    } else if args.resume {
        match earlier(&*bulk, &plan, args.on_conflict, args.verify || args.into_new_table).await? {
            Some(earlier) => Some(Keep::Before(Box::new(earlier))),
            None => {
                tracing::info!("there is nothing to resume for this lake and table: starting anew");
                Some(Keep::New)
            }
        }
    } else {
        Some(Keep::New)
    };
    let replicas = args.gentle.replicas.iter().map(|url| args.warehouse.replica(url));
    let replicas: Vec<Arc<dyn Bulk>> = replicas.collect::<anyhow::Result<_>>()?;
    let undo = (args.on_conflict == Policy::Overwrite).then(|| {
        let stamp = Utc::now().format("%Y%m%dT%H%M%SZ");
        let path = args.undo_file.clone().unwrap_or_else(|| format!("ruminate-undo-{stamp}.ndjson").into());
        Undo::new(path, args.warehouse.table.to_string())
    });
    let replay = Replay {
        plan,
        bulk,
        policy: args.on_conflict,
        verify: args.verify,
        reads: args.concurrency as usize,
        loads: args.warehouse.connections as usize,
        sort: SortSettings {
            memory: args.sort_memory as usize * 1_000_000,
            folder: args.sort_dir.clone().unwrap_or_else(std::env::temp_dir),
        },
        undo,
        journal,
        limits: args.gentle.limits(),
        reload: args.gentle.reload(),
        replicas,
        patience: Duration::from_secs(args.gentle.patience),
    };
    let (progress, stop) = (&context.progress, &context.stop);
    let mut outcome = if args.into_new_table {
        let (name, accept_missing) = (&args.warehouse.table, args.accept_missing);
        cut_over(replay, Swap { table, name, accept_missing, resume: args.resume }, progress, stop).await?
    } else {
        crate::replay::run(replay, progress, stop).await?
    };
    outcome.command = command;
    if let Some(path) = &args.report {
        let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let written = if json { outcome.write_json(path) } else { html::write(path, &outcome) };
        if let Err(e) = written {
            tracing::error!("--report {} cannot be written: {e}", path.display());
        }
    }
    Ok(Printed::of(&outcome))
}

fn read_only(path: &PathBuf) -> anyhow::Result<Only> {
    let text = std::fs::read_to_string(path).with_context(|| format!("--only {}", path.display()))?;
    Only::parse(&text)
        .map_err(|e| anyhow!("--only {}: {e}: it takes a drift file of `ruminate reconcile`", path.display()))
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    crate::record::instant::parse(text).ok_or_else(|| "write a time like 2026-11-22T18:00:00Z".to_owned())
}
