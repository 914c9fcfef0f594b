//! `ruminate backfill`: processes history files into lake and warehouse with the intake, without SNS.

use std::path::PathBuf;

use super::flags::{LakeFlags, RulesFlags, WarehouseFlags};
use super::ingest::{NewLakeFlags, open_lake_to_write};
use super::write_flags::WriteFlags;
use super::{Context, input_files};
use crate::backfill;
use crate::cancellation::Interrupted;
use crate::history::{Inputs, OnUniform};
use crate::open_files;
use crate::render::Rendered;
use pipeline::intake::{Intake, WRITES};

/// Load history files into both stores, without SNS (idempotent)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// History files (NDJSON, JSON, CSV or Parquet, optionally gzip or zstd) or directories of them; - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    input: input_files::InputFlags,
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    writes: WriteFlags,
    #[command(flatten)]
    new_lake: NewLakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    rules: RulesFlags,
    /// Concurrent object writes
    #[arg(long, value_name = "N", default_value_t = WRITES)]
    concurrency: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let input_files::InputPaths { files: paths, not_read } = input_files::expanded(args.files)?;
    let opened = async {
        let warehouse = args.warehouse.open_bulk(None).await?;
        let lake = open_lake_to_write(&args.lake, &args.writes, &*warehouse, args.new_lake).await?;
        anyhow::Ok(Intake::open(lake, warehouse, args.rules.rules()).await?)
    };
    let opened = context.cancel.run_until_cancelled(opened).await.transpose()?;
    let intake =
        opened.ok_or(Interrupted("before anything was stored"))?.with_writes(open_files::fitting(args.concurrency));
    let (settings, progress, cancel) = (args.input.settings(), context.progress.clone(), context.cancel.clone());
    let inspect = move || Inputs::inspect(paths, settings, OnUniform::RejectFile, &progress, &cancel);
    let files = tokio::task::spawn_blocking(inspect).await??.with_not_read(not_read);
    let outcome = backfill::run(files, intake, &context.progress, &context.cancel).await?;
    Ok(Rendered::of(&outcome))
}
