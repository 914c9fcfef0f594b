//! `ruminate demo`: the complete pipeline without servers.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::Context;
use super::flags::a_path;
use super::times::day;
use crate::demo::{self, PreviousRun};
use crate::render::{OutputFormat, Rendered, print_text};

/// Run the whole pipeline locally, without servers
///
/// Generates, publishes, replays, compacts, audits and repairs.
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
    let is_text = context.output == OutputFormat::Text;
    let show = |text: &str| {
        if is_text {
            // A failure is reported when the summary is printed.
            let _ = context.progress.suspend(|| print_text(text));
        }
    };
    let dir = (&*args.dir, earlier);
    let outcome = demo::run(dir, args.start, &context.progress, &context.cancel, &show).await?;
    let rendered = Rendered::of(&outcome);
    // The steps were printed as they ran.
    Ok(if is_text { rendered.with_text(outcome.summary()) } else { rendered })
}
