//! The work of a replay: read in order, load in chunks, account for every object.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;
use futures::StreamExt;
use tokio::task::JoinHandle;

use super::{Bookmark, Plan, Policy};
use crate::lake::{Found, Item, Pace, ReadSettings, Reader, Skip, Step};
use crate::progress::{Progress, Stage};
use crate::record::Record;
use crate::record::stored::Shape;
use crate::report::replay::Outcome;
use crate::stop::Stop;
use crate::warehouse::{self, Loaded, Warehouse, load};

/// Records a chunk: sorted by id, then loaded in the warehouse's batches.
const CHUNK: usize = 2_000;

/// A replay ready to run.
#[derive(Debug)]
pub struct Replay {
    /// What to read.
    pub plan: Plan,
    /// Where to load.
    pub warehouse: Arc<dyn Warehouse>,
    /// What to do with conflicts.
    pub policy: Policy,
    /// Whether to read every loaded row back and compare it.
    pub verify: bool,
    /// Reads at once.
    pub reads: usize,
    /// Chunks loaded at once.
    pub loads: usize,
    /// Where to keep the bookmark, and what it is about; `None` keeps none.
    pub bookmark: Option<(PathBuf, Bookmark)>,
    /// Whether an earlier run is going on.
    pub resumed: bool,
}

/// Records on their way into the warehouse, with their keys.
#[derive(Debug, Default)]
struct Chunk {
    records: Vec<(String, Record)>,
    last_day: Option<NaiveDate>,
}

/// A chunk's outcome: each key with what became of its record, and what a second look found.
struct Done {
    last_day: Option<NaiveDate>,
    loaded: Vec<(String, Loaded)>,
    unverified: Vec<(String, String)>,
    verified: u64,
}

type Work = JoinHandle<Result<Done, warehouse::Error>>;

/// Reads what is planned and loads it.
///
/// # Errors
/// The warehouse's table cannot hold records, or a store refuses before anything was loaded. A failure later on is an
/// outcome that says where it stopped.
pub async fn run(replay: Replay, progress: &Progress, stop: &Stop) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let shape = replay.warehouse.shape().await?;
    let partitions = replay.plan.partitions.len();
    if partitions == 0 {
        tracing::warn!("no partition of the lake lies in this span: check --lake, --farm, --from and --to");
    }
    let mut run = Run {
        outcome: Outcome { resumed: replay.resumed, ..Outcome::default() },
        shape,
        queue: VecDeque::new(),
        stage: progress.stage("replay", None),
        failed: false,
        pace: Pace::new(partitions),
        replay,
    };
    run.forget_earlier_bookmark();
    run.strays();
    run.read(stop).await?;
    if let (Some(only), None) = (&run.replay.plan.only, &run.outcome.stopped) {
        run.outcome.not_found = (only.0.len() as u64).saturating_sub(run.outcome.listed);
    }
    run.outcome.seconds = begun.elapsed().as_secs_f64();
    run.close_bookmark();
    run.stage.finish();
    run.outcome.check()?;
    Ok(run.outcome)
}

struct Run {
    replay: Replay,
    shape: Shape,
    outcome: Outcome,
    queue: VecDeque<Work>,
    stage: Stage,
    /// A chunk could not be loaded: no bookmark may go past it.
    failed: bool,
    pace: Pace,
}

impl Run {
    fn strays(&mut self) {
        for stray in std::mem::take(&mut self.replay.plan.strays) {
            self.outcome.listed += 1;
            self.skip(stray.key, Skip::Foreign);
        }
    }

    async fn read(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let plan = &self.replay.plan;
        let settings = ReadSettings { concurrency: self.replay.reads, fence: plan.fence };
        let only = plan.only.clone();
        let reader = Reader::new(Arc::clone(&plan.lake), settings)
            .keeping(move |meta| only.as_ref().is_none_or(|only| only.0.contains(&meta.key)));
        let mut found = std::pin::pin!(reader.read(plan.partitions.clone()));
        let mut chunk = Chunk::default();
        while self.outcome.stopped.is_none() {
            if stop.is_set() {
                self.outcome.stopped = Some("asked to stop".into());
                break;
            }
            match found.next().await {
                None => break,
                Some(Err(e)) if self.outcome.listed == 0 && chunk.records.is_empty() => return Err(e.into()),
                Some(Err(e)) => self.outcome.stopped = Some(e.to_string()),
                Some(Ok(Step::Found(found))) => self.take(*found, &mut chunk),
                Some(Ok(Step::Closed(day))) => chunk.last_day = Some(day),
            }
            if chunk.records.len() >= CHUNK {
                self.send(std::mem::take(&mut chunk)).await?;
            }
        }
        if !self.failed {
            self.send(chunk).await?;
        }
        while !self.queue.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    fn take(&mut self, found: Found, chunk: &mut Chunk) {
        if let Some(share) = self.pace.share(found.key.as_ref()) {
            self.stage.share(share);
        }
        let key = found.meta.key;
        if let Item::Record(record) = found.item {
            chunk.records.push((key, *record));
            return;
        }
        self.outcome.listed += 1;
        self.stage.add(1);
        let problems = &mut self.outcome.problems;
        match found.item {
            Item::Record(_) => {}
            Item::Rejected(why) => {
                self.outcome.rejected += 1;
                problems.add("rejected", key, why);
            }
            Item::Unreadable(why) => {
                self.outcome.unreadable += 1;
                problems.add("unreadable", key, why);
            }
            Item::Archived => {
                self.outcome.archived += 1;
                problems.add("archived", key, "in an archive tier: restore it, then replay again");
            }
            Item::Skipped(why) => self.skip(key, why),
        }
    }

    fn skip(&mut self, key: String, why: Skip) {
        self.outcome.skipped += 1;
        let (count, reason) = match why {
            Skip::Foreign => (&mut self.outcome.skipped_foreign, "not a name of this lake"),
            Skip::AfterFence => (&mut self.outcome.skipped_after_fence, "written after the run began"),
        };
        *count += 1;
        self.outcome.problems.add("skipped", key, reason);
    }

    async fn send(&mut self, mut chunk: Chunk) -> anyhow::Result<()> {
        if chunk.records.is_empty() {
            return Ok(());
        }
        if self.queue.len() >= self.replay.loads.max(1) {
            self.settle_first().await?;
        }
        chunk.records.sort_by(|a, b| a.1.id_treated_data.cmp(&b.1.id_treated_data));
        let (warehouse, shape) = (Arc::clone(&self.replay.warehouse), self.shape);
        let (policy, verify) = (self.replay.policy, self.replay.verify);
        self.queue.push_back(tokio::spawn(async move { load_chunk(&*warehouse, chunk, &shape, policy, verify).await }));
        Ok(())
    }

    async fn settle_first(&mut self) -> anyhow::Result<()> {
        let Some(work) = self.queue.pop_front() else { return Ok(()) };
        match work.await? {
            Ok(done) => {
                self.stage.add(done.loaded.len() as u64);
                self.tally(done);
            }
            Err(e) if self.outcome.listed == 0 && self.outcome.stopped.is_none() && !e.kind().is_transient() => {
                return Err(e.into());
            }
            Err(e) => {
                self.failed = true;
                self.outcome.stopped.get_or_insert_with(|| e.to_string());
            }
        }
        Ok(())
    }

    fn tally(&mut self, done: Done) {
        let outcome = &mut self.outcome;
        for (key, loaded) in done.loaded {
            outcome.listed += 1;
            match loaded {
                Loaded::Inserted => outcome.inserted += 1,
                Loaded::Identical => outcome.identical += 1,
                Loaded::Conflicting(conflict) => {
                    outcome.conflicting += 1;
                    outcome.problems.add("conflicting", key, explain(&conflict));
                    if self.replay.policy == Policy::Fail {
                        outcome.stopped.get_or_insert_with(|| "a conflict was found, and --on-conflict is fail".into());
                    }
                }
                Loaded::Overwritten(conflict) => {
                    outcome.conflicting += 1;
                    outcome.overwritten += 1;
                    outcome.problems.add("overwritten", key, explain(&conflict));
                }
                Loaded::Refused(why) => {
                    outcome.rejected += 1;
                    outcome.problems.add("rejected", key, why);
                }
            }
        }
        outcome.verified += done.verified;
        outcome.unverified += done.unverified.len() as u64;
        for (key, why) in done.unverified {
            outcome.problems.add("unverified", key, why);
        }
        if let (false, Some(day)) = (self.failed, done.last_day) {
            self.bookmark(day);
        }
    }

    /// Everything before `day` is in: chunks are settled in their order, and days close in order.
    fn bookmark(&mut self, day: NaiveDate) {
        if let Some((dir, mark)) = &mut self.replay.bookmark {
            mark.day = Some(day);
            if let Err(e) = mark.save(dir) {
                tracing::warn!("no bookmark can be kept in {}: {e}", dir.display());
            }
        }
    }

    /// A run from the start makes what an earlier one noted worthless: the warehouse may have been lost since.
    fn forget_earlier_bookmark(&self) {
        if let (Some((dir, mark)), false) = (&self.replay.bookmark, self.replay.resumed) {
            mark.remove(dir);
        }
    }

    fn close_bookmark(&mut self) {
        if let Some((dir, mark)) = &self.replay.bookmark {
            if self.outcome.stopped.is_none() {
                mark.remove(dir);
            }
        }
    }
}

fn explain(conflict: &warehouse::Conflict) -> String {
    let differs = conflict.differences.iter().map(|d| {
        let show = |value| serde_json::to_string(value).unwrap_or_default();
        format!("{} lake {} warehouse {}", d.column, show(&d.lake), show(&d.warehouse))
    });
    differs.collect::<Vec<_>>().join("; ")
}

async fn load_chunk(
    warehouse: &dyn Warehouse,
    chunk: Chunk,
    shape: &Shape,
    policy: Policy,
    verify: bool,
) -> Result<Done, warehouse::Error> {
    let last_day = chunk.last_day;
    let (keys, records): (Vec<String>, Vec<Record>) = chunk.records.into_iter().unzip();
    let loaded = load(warehouse, &records, shape, policy.on_conflict()).await?;
    let mut done =
        Done { last_day, loaded: keys.into_iter().zip(loaded).collect(), unverified: Vec::new(), verified: 0 };
    if verify {
        read_back(warehouse, &records, shape, &mut done).await?;
    }
    Ok(done)
}

/// Reads the loaded rows again and compares them; a record whose row was kept as it is is no part of this.
async fn read_back(
    warehouse: &dyn Warehouse,
    records: &[Record],
    shape: &Shape,
    done: &mut Done,
) -> Result<(), warehouse::Error> {
    let ids: Vec<String> = records.iter().map(|record| record.id_treated_data.clone()).collect();
    let rows = warehouse.fetch(&ids, shape).await?;
    let rows: std::collections::HashMap<&str, _> = rows.iter().map(|row| (row.id(), row)).collect();
    for (record, (key, loaded)) in records.iter().zip(&done.loaded) {
        if matches!(loaded, Loaded::Conflicting(_) | Loaded::Refused(_)) {
            continue;
        }
        match rows.get(record.id_treated_data.as_str()) {
            Some(row) if record.differences(row, shape).is_empty() => done.verified += 1,
            Some(_) => done.unverified.push((key.clone(), "read back with other values: somebody else writes".into())),
            None => done.unverified.push((key.clone(), "not there when read back: somebody else deletes".into())),
        }
    }
    Ok(())
}
