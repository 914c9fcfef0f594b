//! Truth file of a generated history.

use anyhow::Context as _;

use super::super::Context;
use super::Args;
use crate::cancellation::Interrupted;
use crate::generate::{self, Destination, GeneratePlan, IfExists};
use crate::publish::Source;

/// Writes the truth of the readings to publish, if requested for a generated history. The file is the same as that of
/// `ruminate generate` with the same flags.
///
/// # Errors
/// Returns an error if the file cannot be written, or exists with other content.
pub(super) async fn write(args: &Args, source: &Source, context: &Context) -> anyhow::Result<()> {
    let (Some(path), &Source::Herd { herd, part, faults }) = (&args.watch.truth, source) else { return Ok(()) };
    let plan = GeneratePlan { part, faults, truth: Some(path.clone()), ..GeneratePlan::new(herd) };
    let (progress, cancel) = (context.progress.clone(), context.cancel.clone());
    let made = move || generate::run(&plan, Destination::Discard, IfExists::Fail, &progress, &cancel);
    let made = tokio::task::spawn_blocking(made).await?.context("--truth")?;
    anyhow::ensure!(made.stopped.is_none(), Interrupted("before anything was published"));
    Ok(())
}
