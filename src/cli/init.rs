//! `ruminate init`: the warehouse's schema.

use std::fmt;

use serde::Serialize;

use super::flags::WarehouseFlags;
use crate::outcome::{Exit, Outcome};
use crate::render::Printed;

/// Creates what is missing of the warehouse's schema; safe to repeat, never alters a table that exists
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    warehouse: WarehouseFlags,
}

#[derive(Debug, Serialize)]
struct Initialised {
    warehouse: String,
    created: Vec<String>,
}

impl fmt::Display for Initialised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in &self.created {
            writeln!(f, "created {what}")?;
        }
        if self.created.is_empty() {
            writeln!(f, "{}: everything was there", self.warehouse)?;
        }
        Ok(())
    }
}

impl Outcome for Initialised {
    fn exit(&self) -> Exit {
        Exit::Clean
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<Printed> {
    let warehouse = args.warehouse.open_to_init().await?;
    let created = warehouse.init().await?;
    warehouse.shape().await?; // an older table that cannot hold records is named now, not in the middle of a load
    Ok(Printed::of(&Initialised { warehouse: warehouse.address(), created }))
}
