//! `ruminate merge`: combines the shards of a run.

use anyhow::bail;

use super::Context;
use super::audit_result::ResultFlags;
use super::flags::endpoint;
use super::log;
use super::outputs;
use super::run_flags::{RunStoreFlags, open_run_store, run_url};
use super::write_flags::WriteFlags;
use crate::fleet::{
    AuditJob, JobSettings, MissingShards, ReplayJob, Run, merge_audit, merge_compaction, merge_replay, require_shards,
};
use crate::reconcile::AuditOptions;
use crate::render::{OutputFormat, Rendered};
use pipeline::lake::{Conditions, LakeUrl};

/// Combine the shards of a run into the outcome of its job
///
/// Exits as the job does. If shards are missing it exits with 2 and prints, for each, its last error and its command: there is
/// no partial outcome. With `--output json` these are the list `missing`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_name = "RUN", value_parser = run_url, help = format!("Run: {}", LakeUrl::FORMS))]
    run: LakeUrl,
    #[command(flatten)]
    results: ResultFlags,
    #[command(flatten)]
    stores: RunStoreFlags,
    #[command(flatten)]
    writes: WriteFlags,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    args.results.check()?;
    let run = Run::open(open_run_store(&args.run, &args.writes).await?).await?;
    let planned = &run.plan.stores;
    let warehouse = planned.warehouse.as_ref().map(|planned| &*planned.warehouse);
    outputs::check_planned(&args.results.outputs(), &planned.lake, warehouse)?;
    match args.merge(&run, context).await {
        Err(e) if context.output == OutputFormat::Json && e.is::<MissingShards>() => {
            log::fail(&e);
            Ok(Rendered::of(&e.downcast::<MissingShards>()?))
        }
        merged => merged,
    }
}

impl Args {
    async fn merge(&self, run: &Run, context: &Context) -> anyhow::Result<Rendered> {
        match &run.plan.job {
            JobSettings::Reconcile(job) => self.audit(run, job, context).await,
            JobSettings::Replay(job) => self.replay(run, job, context).await,
            JobSettings::Compact(_) => self.compact(run).await,
        }
    }

    async fn audit(&self, run: &Run, job: &AuditJob, context: &Context) -> anyhow::Result<Rendered> {
        require_shards(run).await?;
        let stores = self.stores.open(run, &self.writes).await?;
        if self.results.writes_lake() {
            self.writes.demand(&*stores.lake, Conditions::weakest).await?;
        }
        if let (Some(warehouse), true) = (&stores.warehouse, self.results.writes_warehouse()) {
            warehouse.bulk.check_writable().await?;
        }
        let (sink, files) = self.results.begin()?;
        let (progress, cancel) = (&context.progress, &context.cancel);
        let (audit, mut outcome, sink) = merge_audit(run, job, &stores, sink, progress, cancel).await?;
        let drift_file = self.results.drift.as_ref().map(|path| path.display().to_string());
        let command = context.command_line.to_string();
        outcome.options = AuditOptions { command, drift_file, ..outcome.options };
        outcome.lake_endpoint = endpoint(&*stores.lake);
        let named = &run.plan.stores;
        let warehouse = self.stores.warehouse(run)?.url()?;
        let undo = context.command_line.clone().or("lake", &named.lake).or("warehouse", warehouse);
        let table = named.warehouse()?.table.clone();
        let undo = undo.or("table", &table);
        self.results.finish(&audit, (outcome, sink), files, (&undo, table), context).await
    }

    async fn replay(&self, run: &Run, job: &ReplayJob, context: &Context) -> anyhow::Result<Rendered> {
        if let Some(flag) = self.results.of_an_audit() {
            bail!("{flag} is for an audit, and this run is a replay");
        }
        self.results.report.check()?;
        require_shards(run).await?;
        let stores = self.stores.open(run, &self.writes).await?;
        let mut outcome = merge_replay(run, job, &stores, &context.progress, &context.cancel).await?;
        outcome.command = context.command_line.to_string();
        outcome.lake_endpoint = endpoint(&*stores.lake);
        self.results.report.write_or_log(&outcome);
        Ok(Rendered::of(&outcome))
    }

    async fn compact(&self, run: &Run) -> anyhow::Result<Rendered> {
        if let Some(flag) = self.results.of_an_audit() {
            bail!("{flag} is for an audit, and this run is a compaction");
        }
        if self.results.report.is_requested() {
            bail!("--report is for an audit or a replay, and this run is a compaction");
        }
        require_shards(run).await?;
        let stores = self.stores.open(run, &self.writes).await?;
        Ok(Rendered::of(&merge_compaction(run, &stores).await?))
    }
}
