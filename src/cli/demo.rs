//! `ruminate demo`: the whole loop with no server.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::Context;
use super::flags::a_path;
use crate::demo::{self, PreviousRun};
use crate::render::Rendered;

/// The whole loop with no server: make, publish, lose, replay, damage, audit, repair; says where it left its files
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the files go
    #[arg(long, value_name = "DIR", default_value = "demo", value_parser = a_path())]
    dir: PathBuf,
    /// Keep what an earlier demo left there, and work on top of it
    #[arg(long)]
    keep: bool,
    /// The first day of the histories
    #[arg(long, value_name = "DATE", default_value = "2026-01-01")]
    start: NaiveDate,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let earlier = if args.keep { PreviousRun::Keep } else { PreviousRun::Remove };
    let told = demo::run(&args.dir, earlier, args.start, &context.progress, &context.cancel).await?;
    Ok(Rendered::of(&told))
}
