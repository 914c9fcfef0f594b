//! `ruminate init`: the warehouse's schema.

use super::flags::WarehouseFlags;
use crate::init;
use crate::render::Printed;

/// Creates what is missing of the warehouse's schema; safe to repeat, never alters a table that exists
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    warehouse: WarehouseFlags,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Printed> {
    let warehouse = args.warehouse.open_to_init().await?;
    Ok(Printed::of(&init::run(&*warehouse).await?))
}
