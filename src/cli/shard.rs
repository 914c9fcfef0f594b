//! `ruminate shard`: runs one shard of a run.

use std::time::Duration;

use anyhow::anyhow;

use super::Context;
use super::flags::variable;
use super::run_flags::{RunStoreFlags, open_run_store, run_url};
use super::write_flags::WriteFlags;
use crate::fleet::{Place, Run, run_shard, shard_index};
use crate::render::Rendered;
use crate::units;
use pipeline::lake::LakeUrl;

/// Run one shard of a run that `plan` wrote
///
/// It is safe to repeat a shard, and to run it twice at once. Exit codes: 0 written, regardless of what was found; 2 cannot
/// run, do not retry; 3 interrupted, retry.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_name = "RUN", value_parser = run_url, help = format!("Run: {}", LakeUrl::FORMS))]
    run: LakeUrl,
    /// Number of the shard, from 0 [default: the variable of the scheduler]
    ///
    /// AWS_BATCH_JOB_ARRAY_INDEX, JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID, BATCH_TASK_INDEX or CLOUD_RUN_TASK_INDEX.
    #[arg(long, value_name = "K")]
    shard: Option<u32>,
    /// Stop in time to end before this, such as 14m, and exit 3
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    stop_before: Option<Duration>,
    #[command(flatten)]
    stores: RunStoreFlags,
    #[command(flatten)]
    writes: WriteFlags,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let index = shard_index(args.shard, variable).map_err(|e| anyhow!(e))?;
    let run = Run::open(open_run_store(&args.run, &args.writes).await?).await?;
    let open = || args.stores.open(&run, &args.writes);
    let (progress, cancel) = (&context.progress, &context.cancel);
    let called = (index, Place::here(variable));
    Ok(Rendered::of(&run_shard(&run, called, open, args.stop_before, progress, cancel).await?))
}
