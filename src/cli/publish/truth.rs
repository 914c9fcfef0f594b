//! The truth of a history that is made on the way.

use anyhow::Context as _;

use super::super::Context;
use super::Args;
use crate::generate::{self, Existing, Out, Plan};
use crate::publish::Source;

/// Writes the truth of what will be published, where it is asked for and made on the way: the same file as that of
/// `ruminate generate` with the same flags.
///
/// # Errors
/// The file cannot be written, or is there and tells of something else.
pub(super) async fn write(args: &Args, source: &Source, context: &Context) -> anyhow::Result<()> {
    let (Some(path), &Source::Herd { herd, part, faults }) = (&args.watch.truth, source) else { return Ok(()) };
    let plan = Plan { part, faults, truth: Some(path.clone()), ..Plan::new(herd) };
    let (progress, stop) = (context.progress.clone(), context.stop.clone());
    let made = move || generate::run(&plan, Out::Nowhere, Existing::Keep, &progress, &stop);
    let made = tokio::task::spawn_blocking(made).await?.context("--truth")?;
    anyhow::ensure!(made.stopped.is_none(), "interrupted before anything was published");
    Ok(())
}
