//! `ruminate backfill`: processes history files into lake and warehouse with the intake, without SNS.

use std::path::PathBuf;

use super::flags::{LakeFlags, RulesFlags, WarehouseFlags, WriteFlags};
use super::ingest::{NewLakeFlags, open_lake_to_write};
use super::{Context, input_files};
use crate::backfill;
use crate::herd::LineFormat;
use crate::render::Rendered;
use pipeline::intake::{Intake, WRITES};

/// Ingest raw history files in bulk into the lake and the warehouse, without SNS (idempotent)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// History files (NDJSON or CSV, optionally gzip or zstd) or directories of them; - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Input format [default: CSV for .csv files, otherwise NDJSON]
    #[arg(long, value_name = "FORMAT")]
    format: Option<LineFormat>,
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
    let paths = input_files::expanded(args.files)?;
    let warehouse = args.warehouse.open_bulk(None).await?;
    let lake = open_lake_to_write(&args.lake, args.writes, &*warehouse, args.new_lake).await?;
    let intake = Intake::open(lake, warehouse, args.rules.rules()).await?.with_writes(args.concurrency);
    let files = backfill::InputFiles { paths, format: args.format };
    let outcome = backfill::run(files, intake, &context.progress, &context.cancel).await?;
    Ok(Rendered::of(&outcome))
}
