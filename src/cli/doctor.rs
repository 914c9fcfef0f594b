//! `ruminate doctor`: is everything ready?

use chrono::Utc;

use super::flags::{WarehouseFlags, open_lake};
use crate::doctor;
use crate::lake::LakeUrl;
use crate::report::Printed;
use crate::report::doctor::{Health, Outcome};
use crate::retry::Retry;

/// Checks lake, warehouse and topic: one line a check, and what to do where it fails; changes nothing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lake: s3://bucket/prefix, or a directory
    #[arg(long, value_name = "URL")]
    lake: Option<LakeUrl>,
    #[command(flatten)]
    warehouse: WarehouseFlags,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Printed> {
    let mut outcome = Outcome::default();
    match &args.lake {
        Some(url) => doctor::lake(&*open_lake(url, Retry::ONCE).await, Utc::now, &mut outcome).await,
        None => outcome.add("lake access", Health::Skipped, "no lake is named: give --lake or set RUMINATE_LAKE"),
    }
    if args.warehouse.is_named() {
        match args.warehouse.open() {
            Ok(warehouse) => doctor::warehouse(&*warehouse, Utc::now, &mut outcome).await,
            Err(e) => outcome.add("warehouse access", Health::Failed, format!("{e:#}")),
        }
    } else {
        outcome.add(
            "warehouse access",
            Health::Skipped,
            "no warehouse is named: give --warehouse or set RUMINATE_WAREHOUSE",
        );
    }
    Ok(Printed::of(&outcome))
}
