//! `ruminate replay`: lake → warehouse.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use super::Context;
use super::flags::{LakeFlags, SpanFlags, WarehouseFlags};
use crate::replay::{Bookmark, Only, Plan, Policy, Replay, Source};
use crate::report::Printed;

/// Brings the warehouse back from the lake; safe to repeat
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    span: SpanFlags,
    /// Say what would be read, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// What to do where a row holds other values than the lake
    #[arg(long, value_enum, default_value = "keep", value_name = "POLICY")]
    on_conflict: Policy,
    /// Read every loaded row back and compare it, bit for bit
    #[arg(long)]
    verify: bool,
    /// Go on where an earlier run of the same command stopped
    #[arg(long)]
    resume: bool,
    /// Only the objects that a drift file names
    #[arg(long, value_name = "FILE")]
    only: Option<PathBuf>,
    /// Objects read at once
    #[arg(long, value_name = "N", default_value_t = 128)]
    concurrency: usize,
    /// Where to keep the bookmark for --resume [default: the user's state directory]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Printed> {
    let span = args.span.span()?;
    let only = args.only.as_ref().map(read_only).transpose()?;
    let (lake, warehouse) = (args.lake.open().await, args.warehouse.open().await?);
    let bookmark = Bookmark {
        lake: lake.address(),
        warehouse: warehouse.address(),
        // Relative paths mean other stores in other directories.
        settings: format!("{span:?} {:?} {only:?} {:?}", args.on_conflict, std::env::current_dir().unwrap_or_default()),
        day: None,
    };
    let mut plan = Plan::new(Source { lake, span, only }).await?;
    let state_dir = args.state_dir.clone().or_else(state_dir);
    let mut resumed = false;
    if args.resume {
        let dir = state_dir.as_ref().ok_or_else(|| anyhow!("no state directory: name one with --state-dir"))?;
        let found = bookmark.find(dir).with_context(|| format!("the bookmark in {} cannot be read", dir.display()))?;
        match found {
            Some(day) => {
                tracing::info!("going on from {day}");
                plan = plan.from_day(day);
                resumed = true;
            }
            None => tracing::info!("there is nothing to resume for this lake, warehouse and span: starting anew"),
        }
    }
    if args.dry_run {
        return Ok(Printed::of(&plan.preview(&*warehouse).await?));
    }
    let replay = Replay {
        plan,
        warehouse,
        policy: args.on_conflict,
        verify: args.verify,
        reads: args.concurrency,
        loads: args.warehouse.connections as usize,
        bookmark: state_dir.map(|dir| (dir, bookmark)),
        resumed,
    };
    Ok(Printed::of(&crate::replay::run(replay, &context.progress, &context.stop).await?))
}

fn read_only(path: &PathBuf) -> anyhow::Result<Only> {
    let text = std::fs::read_to_string(path).with_context(|| format!("--only {}", path.display()))?;
    Only::parse(&text)
        .map_err(|e| anyhow!("--only {}: {e}: it takes a drift file of `ruminate reconcile`", path.display()))
}

/// `$XDG_STATE_HOME/ruminate`, else `~/.local/state/ruminate`.
fn state_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("ruminate"))
}
