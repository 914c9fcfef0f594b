//! `ruminate undo`: reverts the changes in an undo file of `replay` or `reconcile`.

use std::path::PathBuf;

use super::Context;
use super::flags::{LakeRequestFlags, WarehouseFlags, lake_help, open_lake};
use super::write_flags::WriteFlags;
use crate::render::Rendered;
use pipeline::lake::{Conditions, LakeUrl};

/// Revert the changes of a replay or repair (idempotent)
///
/// The undo file is applied from its end.
///
/// A row or object is reverted only if it still is as the change left it; what was modified since is reported and stays.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Undo file, as `replay --on-conflict overwrite` or `reconcile --repair` wrote it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show what would be reverted, without changing anything
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_name = "URL", help = lake_help("; required if the file has changes of objects"))]
    lake: Option<LakeUrl>,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    writes: WriteFlags,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let lake = match &args.lake {
        Some(url) => Some(open_lake(url, LakeRequestFlags::default(), args.writes.options()?).await?),
        None => None,
    };
    if let Some(lake) = lake.as_deref().filter(|_| !args.dry_run) {
        args.writes.demand(lake, Conditions::weakest).await?;
    }
    let warehouse = args.warehouse.open_bulk(None).await?;
    if !args.dry_run {
        warehouse.check_writable().await?;
    }
    let table = args.warehouse.table.as_str();
    let undone =
        crate::undo::revert(&*warehouse, lake.as_deref(), &args.file, table, args.dry_run, &context.cancel).await?;
    Ok(Rendered::of(&undone))
}
