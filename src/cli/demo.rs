//! `ruminate demo`: the complete pipeline without servers.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::Context;
use super::flags::{a_path, day};
use crate::demo::{self, PreviousRun};
use crate::render::Rendered;

/// Run the whole pipeline locally without servers: generate, publish, replay, reconcile, repair
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output directory
    #[arg(long, value_name = "DIR", default_value = "demo", value_parser = a_path())]
    dir: PathBuf,
    /// Reuse the files of an earlier demo
    #[arg(long)]
    keep: bool,
    /// First day of the generated history
    #[arg(long, value_name = "DATE", default_value = "2026-01-01", value_parser = day)]
    start: NaiveDate,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let earlier = if args.keep { PreviousRun::Keep } else { PreviousRun::Remove };
    let outcome = demo::run(&args.dir, earlier, args.start, &context.progress, &context.cancel).await?;
    Ok(Rendered::of(&outcome))
}
