//! Jobs in shards, which must have the result of a single run.

use std::sync::Arc;
use std::time::Duration;

use pipeline::lake::Lake;
use pipeline::warehouse::{BulkWarehouse, TableName};
use ruminate::fleet::{
    AuditJob, Place, ReplayJob, Run, RunStore, ShardSize, ShardState, ShardStores, ShardWarehouse, Source,
    Stores as Named, merge_audit, merge_replay, plan_audit, plan_replay, run_shard,
};
use ruminate::parts::PartsMode;
use ruminate::progress::Progress;
use ruminate::reconcile::{AuditOptions, Drift, DriftWriter, Outcome, WrittenFindings};
use ruminate::replay;
use serde_json::Value as Json;

use crate::must;
use crate::random::Draw;
use crate::reconcile::{audit_of, audited};
use crate::world::{Stores, World};

/// A planned job: its files are next to the lake.
struct Job<'a> {
    world: &'a World,
    folder: String,
    shards: u32,
    draw: Draw,
}

fn shard_stores(stores: &Stores) -> ShardStores {
    let bulk: Arc<dyn BulkWarehouse> = Arc::clone(&stores.bulk);
    let warehouse = ShardWarehouse { bulk, identity: "memory".into(), connections: 2 };
    ShardStores { lake: Arc::clone(&stores.lake), warehouse: Some(warehouse), reads: 8, sort: stores.sort.clone() }
}

async fn named(stores: &ShardStores) -> anyhow::Result<Named> {
    let table = TableName::default().to_string();
    let warehouse = stores.warehouse()?.planned("memory".into(), table).await?;
    Ok(Named { lake: stores.lake.address(), lake_identity: stores.lake.identity(), warehouse: Some(warehouse) })
}

impl Job<'_> {
    /// Returns the files of the plan's attempt with this number.
    fn files(&self, lake: &dyn Lake, attempt: u32) -> RunStore {
        RunStore::new(lake.sibling(&format!("{}-{attempt}", self.folder)))
    }

    /// Writes the plan; an interrupted plan leaves its folder, and another attempt has another one. Returns the folder's
    /// number.
    async fn plan(
        &self,
        write: impl AsyncFn(ShardStores, Named, RunStore) -> anyhow::Result<bool>,
    ) -> anyhow::Result<u32> {
        self.world
            .operate(async |stores| {
                let shard_stores = shard_stores(&stores);
                let named = named(&shard_stores).await?;
                let files = self.files(&*stores.lake, stores.earlier);
                Ok(write(shard_stores, named, files).await?.then_some(stores.earlier))
            })
            .await
    }

    /// Runs every shard, some of them twice or two at once, in any order.
    async fn run_all(&self, folder: u32) -> anyhow::Result<()> {
        let mut order: Vec<u32> = (0..self.shards).collect();
        order.sort_by_key(|shard| self.draw.with(1).with(u64::from(*shard)).bits());
        for shard in order {
            let draw = self.draw.with(2).with(u64::from(shard));
            match draw.below(3) {
                0 => self.run(folder, shard).await?,
                1 => drop(tokio::try_join!(self.run(folder, shard), self.run(folder, shard))?),
                _ => {
                    self.run(folder, shard).await?;
                    self.run(folder, shard).await?;
                }
            }
        }
        Ok(())
    }

    async fn run(&self, folder: u32, shard: u32) -> anyhow::Result<()> {
        self.world
            .operate(async |stores| {
                let run = Run::open(self.files(&*stores.lake, folder)).await?;
                let open = || std::future::ready(Ok(shard_stores(&stores)));
                let number = ((shard, Source::CommandLine), Place::default());
                let report = run_shard(&run, number, open, None, &Progress::Silent, &stores.cancel).await?;
                must!(report.differs.is_empty(), "two attempts at shard {shard} differ: {:?}", report.differs);
                Ok((report.state != ShardState::Interrupted).then_some(()))
            })
            .await
    }
}

/// Time after which no row is dated in the future: more than a Lambda's clock is ahead.
const LAMBDA_AHEAD: Duration = Duration::from_secs(60);

/// Audits in shards, and compares the result with a single audit.
pub async fn audit(world: &World, shards: u32, draw: Draw) -> anyhow::Result<()> {
    // Rows of a Lambda whose clock is ahead are not compared before their time, which the two audits could meet differently.
    tokio::time::sleep(LAMBDA_AHEAD).await;
    let job = Job { world, folder: format!("audit-{}", draw.bits()), shards, draw };
    let folder = job
        .plan(async |stores, named, files| {
            let settings = AuditJob {
                options: AuditOptions {
                    meta_rate: pipeline::record::Rules::default().meta_rate,
                    ..AuditOptions::default()
                },
                quick: false,
                tolerances: Vec::new(),
                max_drift: None,
                parts: PartsMode::Auto,
                allow_empty: true,
            };
            let to = (files, ShardSize::Count(shards));
            let cancel = ruminate::cancellation::CancellationToken::default();
            let planned = plan_audit(&stores, settings, named, to, &Progress::Silent, &cancel).await?;
            Ok(planned.stopped.is_none())
        })
        .await?;
    job.run_all(folder).await?;
    let merged = world
        .operate(async |stores| {
            let run = Run::open(job.files(&*stores.lake, folder)).await?;
            let ruminate::fleet::JobSettings::Reconcile(settings) = &run.plan.job else {
                anyhow::bail!("not an audit")
            };
            let (shard_stores, sink) = (shard_stores(&stores), DriftWriter::new(None)?);
            let (progress, cancel) = (&Progress::Silent, &stores.cancel);
            let (_, outcome, sink) = merge_audit(&run, settings, &shard_stores, sink, progress, cancel).await?;
            Ok(outcome.is_complete().then_some((outcome, sink.finish(&stores.sort)?)))
        })
        .await?;
    let stores = world.quiet();
    let single = audited(&audit_of(&stores, true, None), &stores).await?;
    let single = single.ok_or_else(|| anyhow::anyhow!("an audit without faults stopped early"))?;
    let (one, other) = (shown(&single.outcome, &single.findings)?, shown(&merged.0, &merged.1)?);
    let differ = |(name, value): (&String, &Json)| {
        let merged = other.get(name).cloned().unwrap_or_default();
        (merged != *value).then(|| format!("{name} is {merged}, and {value} in a single audit"))
    };
    let differences: Vec<String> = one.iter().filter_map(differ).collect();
    must!(differences.is_empty(), "{shards} shards: {}", differences.join("; "));
    Ok(())
}

/// Fields that a lost snapshot, the times and the places of a run change.
const LEFT_OUT: [&str; 10] =
    ["run", "seconds", "cutoff", "options", "snapshots", "limitations", "from_parts", "repairable", "samples", "carry"];

/// Returns what must be the same in both audits.
fn shown(outcome: &Outcome, findings: &WrittenFindings) -> anyhow::Result<serde_json::Map<String, Json>> {
    outcome.check()?;
    let Json::Object(mut members) = serde_json::to_value(outcome)? else { anyhow::bail!("no object") };
    for name in LEFT_OUT {
        members.remove(name);
    }
    let lines = findings.read()?.map(|finding| Ok(serde_json::to_string(&Drift::from(&finding?))?));
    let mut lines = lines.collect::<anyhow::Result<Vec<String>>>()?;
    lines.sort();
    members.insert("findings".into(), lines.into());
    Ok(members)
}

/// Replays in shards. Returns the outcome of the merge.
pub async fn replay(world: &World, shards: u32, draw: Draw) -> anyhow::Result<replay::Outcome> {
    let job = Job { world, folder: format!("replay-{}", draw.bits()), shards, draw };
    let folder = job
        .plan(async |stores, named, files| {
            let settings = ReplayJob {
                farms: Vec::new(),
                from: None,
                to: None,
                processed_until: None,
                data_from: None,
                data_to: None,
                parts: PartsMode::Auto,
                verify: false,
                allow_empty: true,
                rows_per_second: None,
                shards_at_once: None,
                command: String::new(),
            };
            let to = (files, ShardSize::Count(shards));
            let cancel = ruminate::cancellation::CancellationToken::default();
            let planned = plan_replay(&stores, settings, named, to, &Progress::Silent, &cancel).await?;
            Ok(planned.stopped.is_none())
        })
        .await?;
    job.run_all(folder).await?;
    world
        .operate(async |stores| {
            let run = Run::open(job.files(&*stores.lake, folder)).await?;
            let ruminate::fleet::JobSettings::Replay(settings) = &run.plan.job else { anyhow::bail!("not a replay") };
            let (progress, cancel) = (&Progress::Silent, &stores.cancel);
            let outcome = merge_replay(&run, settings, &shard_stores(&stores), progress, cancel).await?;
            Ok(outcome.stopped.is_none().then_some(outcome))
        })
        .await
}
