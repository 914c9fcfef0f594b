//! `ruminate restore`: writes objects from parts.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use super::Context;
use super::flags::{LakeFlags, read_concurrency, slug};
use super::write_flags::WriteFlags;
use crate::parts::Month;
use crate::reader::RecordSelection;
use crate::render::Rendered;
use crate::restore::{self, Restore};
use pipeline::lake::dir::Dir;
use pipeline::lake::{Lake, LakeUrl};
use pipeline::record::Slug;

/// Name of the argument `--to`. In other commands that flag is a day, so it is not taken from variables or the config file.
pub(super) const TARGET: &str = "restore_target";

/// Restore objects from Parquet parts, byte for byte
///
/// Existing objects are never overwritten.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    lake: LakeFlags,
    #[arg(
        long = "to",
        id = TARGET,
        value_name = "URL",
        help_heading = "Output",
        help = format!("Target of the objects: {}; the lake itself, or another one", LakeUrl::FORMS)
    )]
    to: LakeUrl,
    /// Only this farm: directory name or cod_cliente (repeatable)
    #[arg(long = "farm", value_name = "SLUG", value_parser = slug)]
    farms: Vec<Slug>,
    /// Only this month of the lake's paths, such as 2026-11 (repeatable)
    #[arg(long = "month", value_name = "MONTH")]
    months: Vec<Month>,
    /// Only the objects of findings in a drift file, or those with the ids of findings without an object
    #[arg(long, value_name = "FILE")]
    only: Option<PathBuf>,
    /// Show what would be restored, without writing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    writes: WriteFlags,
    /// Concurrent object writes [default: 256; 64 for a directory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let only = args.only.as_ref().map(read_only).transpose()?;
    let target = LakeFlags { lake: args.to, ..args.lake.clone() };
    let to = target.open_for(args.writes.options()?).await?;
    if !args.dry_run {
        prepare(&target.lake, &*to, &args.writes).await?;
    }
    let restore = Restore {
        lake: args.lake.open().await?,
        writes: read_concurrency(args.concurrency, to.read_hints()),
        to,
        farms: args.farms.into_iter().collect(),
        months: args.months.into_iter().collect(),
        only,
        dry_run: args.dry_run,
    };
    Ok(Rendered::of(&restore::run(&restore, &context.progress, &context.cancel).await?))
}

/// Checks that objects can be written: a directory is created, a bucket must exist.
async fn prepare(url: &LakeUrl, to: &dyn Lake, writes: &WriteFlags) -> anyhow::Result<()> {
    if let Some(path) = url.local_dir() {
        Dir::new(path).create()?;
    }
    to.clock().await?;
    writes.demand(to, |conditions| conditions.create).await
}

fn read_only(path: &PathBuf) -> anyhow::Result<RecordSelection> {
    let file = std::fs::File::open(path).with_context(|| format!("--only {}", path.display()))?;
    RecordSelection::read(std::io::BufReader::new(file))
        .map_err(|e| anyhow!("--only {}: {e}: pass a drift file of `ruminate reconcile`", path.display()))
}
