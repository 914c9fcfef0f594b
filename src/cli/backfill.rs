//! `ruminate backfill`: history files through the intake into lake and warehouse, without SNS.

use std::path::PathBuf;
use std::sync::Arc;

use super::Context;
use super::flags::{LakeFlags, RulesFlags, WarehouseFlags, WriteFlags};
use crate::backfill;
use crate::herd::LineFormat;
use crate::render::Rendered;
use pipeline::intake::{Intake, WRITES};

/// Takes raw history files in, in bulk: lake first, then warehouse; safe to repeat
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// History files, NDJSON or CSV, packed as gzip or zstd or not; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The form of the files [default: by their ending, .csv or else NDJSON]
    #[arg(long, value_name = "FORMAT")]
    format: Option<LineFormat>,
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    writes: WriteFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    rules: RulesFlags,
    /// Objects written at once
    #[arg(long, value_name = "N", default_value_t = WRITES)]
    concurrency: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let warehouse = args.warehouse.open().await?;
    let lake = args.lake.open_to_write(args.writes).await?;
    let intake = Intake::open(lake, Arc::clone(&warehouse), args.rules.rules()).await?.with_writes(args.concurrency);
    let files = backfill::InputFiles { paths: args.files, format: args.format };
    let outcome = backfill::run(files, intake, &context.progress, &context.cancel).await?;
    Ok(Rendered::of(&outcome))
}
