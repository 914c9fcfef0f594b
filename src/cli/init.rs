//! `ruminate init`: creates the warehouse's schema.

use super::flags::WarehouseFlags;
use crate::init;
use crate::render::Rendered;

/// Create the warehouse schema (idempotent)
///
/// An existing table keeps its columns and rows.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    warehouse: WarehouseFlags,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Rendered> {
    let warehouse = args.warehouse.open_to_init().await?;
    Ok(Rendered::of(&init::run(&*warehouse).await?))
}
