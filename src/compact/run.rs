//! Runs a compaction: several parts at a time, each complete or unchanged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use futures::stream::{self, StreamExt};

use super::part_update::PartUpdate;
use super::plan::{MonthPlan, Plan};
use super::rewrite::Rewrite;
use super::token_age::TokenAge;
use super::write_error::WriteError;
use super::{Compaction, Counter, FarmMonth, Outcome};
use crate::cancellation::CancellationToken;
use crate::parts::{Catalog, PartName};
use crate::progress::Progress;
use crate::reader::{Cutoff, ReadSettings, Reader, why_empty};
use pipeline::lake::{ChangeResult, ConditionalWrites, Error, Lake, ObjectMeta, Reason};
use pipeline::record::PARTS;

/// Number of parts that are written at the same time. Each has a row group in memory, and one that is encoded.
const PARTS_AT_ONCE: usize = 2;

/// Reason for an early stop.
const STOPPED: &str = "interrupted: run the same command again, complete parts stay";

/// Compacts a lake.
///
/// # Errors
/// Returns an error if the lake or its parts cannot be listed, if the parts cannot be written, or if their store does not
/// check the conditions of writes. Parts that were complete before stay.
pub async fn run(settings: &Compaction, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let lake = &settings.lake;
    let prepared = cancel.run_until_cancelled(async {
        let cutoff = match &settings.shard {
            Some(shard) => Cutoff::at(lake.clock().await?).resumed(shard.cutoff),
            None => Cutoff::of(&**lake).await?,
        };
        anyhow::Ok((cutoff, Prepared::new(settings).await?))
    });
    let Some((cutoff, Prepared { parts, location, plan })) = prepared.await.transpose()? else {
        let (lake, parts) = (lake.address(), lake.sibling(PARTS).address());
        let stopped = Some(STOPPED.into());
        return Ok(Outcome { lake, parts, dry_run: settings.dry_run, stopped, ..Outcome::default() });
    };
    let reader = Reader::new(Arc::clone(lake), ReadSettings { concurrency: settings.reads, cutoff });
    let stage = progress.stage("compact", "objects", None);
    let rewrite = Rewrite {
        settings,
        reader: &reader,
        token_age: TokenAge::new(&**lake, cutoff.instant()),
        stage: &stage,
        cancel,
    };
    let run = Run { rewrite, parts: &parts, location: &location, existing: &plan.existing };
    let mut outcome =
        Outcome { lake: lake.address(), parts: parts.address(), dry_run: settings.dry_run, ..Outcome::default() };
    outcome.count_unrecognized(&plan.unrecognized);
    let mut months = stream::iter(&plan.months).map(|month| run.month(month)).buffer_unordered(PARTS_AT_ONCE);
    loop {
        // A store that hangs must not delay the stop. A part that is being written is complete or unchanged.
        let Some(done) = cancel.run_until_cancelled(months.next()).await else {
            outcome.stopped = Some(STOPPED.into());
            break;
        };
        let Some(done) = done else { break };
        match done {
            Ok(done) => outcome.merge(done),
            Err(WriteError::Cancelled) => outcome.stopped = Some(STOPPED.into()),
            Err(e) => return Err(error(e, &*parts)),
        }
    }
    drop(months);
    stage.finish();
    outcome.lake_throttling = lake.throttle_stats();
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.problems.sort();
    outcome.check()?;
    Ok(outcome)
}

/// Returns the months that a compaction would have, without listing their objects.
///
/// # Errors
/// Returns an error if [`run`] would end with it before it writes a part.
pub async fn months(settings: &Compaction) -> anyhow::Result<Vec<FarmMonth>> {
    let plan = Prepared::new(settings).await?.plan;
    let names = plan.months.into_iter().map(|month| month.name);
    Ok(names.map(|PartName { farm, month, .. }| FarmMonth { month, farm }).collect())
}

/// A compaction whose parts can be written.
struct Prepared {
    parts: Arc<dyn Lake>,
    location: String,
    plan: Plan,
}

impl Prepared {
    /// Plans a compaction, and checks that there is something to compact and that parts can be written.
    async fn new(settings: &Compaction) -> anyhow::Result<Self> {
        let (lake, parts) = (&settings.lake, settings.lake.sibling(PARTS));
        let location = lake.location();
        let catalog = Catalog::read(&*parts, &location).await.with_context(|| not_readable(&*parts))?;
        let plan = Plan::new(settings, &*parts, &catalog).await?;
        let may_be_empty = settings.allow_empty || settings.shard.is_some();
        if plan.months.is_empty()
            && !may_be_empty
            && let Some(empty) = why_empty(&**lake, &settings.span, &[], &plan.unrecognized).await?
        {
            bail!("nothing to compact in lake {}: {empty}; if that is intended, add --allow-empty", lake.address());
        }
        if !settings.dry_run {
            prepare(&*parts, &location).await?;
        }
        Ok(Self { parts, location, plan })
    }
}

/// Checks that parts can be written safely, and creates the catalog.
async fn prepare(parts: &dyn Lake, location: &str) -> anyhow::Result<()> {
    let tested = parts.test_conditions().await.with_context(|| not_writable(parts))?;
    if tested.create != ConditionalWrites::Honoured {
        bail!(
            "the store of {} does not honour If-None-Match, so two compactions could overwrite each other's parts: nothing \
             was written; replay and reconcile read the objects",
            parts.address()
        );
    }
    Catalog::create(parts, location).await.with_context(|| not_writable(parts))
}

fn not_readable(parts: &dyn Lake) -> String {
    format!("the parts in {} cannot be read", parts.address())
}

fn not_writable(parts: &dyn Lake) -> String {
    let parts = parts.address();
    format!(
        "the parts cannot be written to {parts}: allow s3:ListBucket, s3:GetObject and s3:PutObject there, or the \
         directory's creation; replay and reconcile work without parts"
    )
}

/// Returns the error of a run that cannot continue.
fn error(e: WriteError, parts: &dyn Lake) -> anyhow::Error {
    let denied = |e: &Error| matches!(e.reason, Reason::Denied | Reason::NoSpace | Reason::ReadOnly);
    match e {
        WriteError::Parts(e) if denied(&e) => anyhow::Error::new(e).context(not_writable(parts)),
        WriteError::Lake(e) | WriteError::Parts(e) => e.into(),
        WriteError::Io(e) => {
            anyhow::Error::new(e).context("a part cannot be written to a temporary file: check TMPDIR")
        }
        WriteError::TooManyRows | WriteError::Cancelled => anyhow::anyhow!("a part was not written; this is a bug"),
    }
}

/// A run of a compaction.
#[derive(Clone, Copy)]
struct Run<'a> {
    rewrite: Rewrite<'a>,
    parts: &'a Arc<dyn Lake>,
    location: &'a str,
    existing: &'a BTreeMap<PartName, ObjectMeta>,
}

impl Run<'_> {
    async fn month(&self, month: &MonthPlan) -> Result<Outcome, WriteError> {
        if self.rewrite.cancel.is_cancelled() {
            return Err(WriteError::Cancelled);
        }
        if month.by_day {
            return self.days(month).await;
        }
        match self.unit(&month.name).await {
            Err(WriteError::TooManyRows) => {
                let PartName { farm, month: of, .. } = &month.name;
                Catalog::split(&**self.parts, self.location, farm, *of).await.map_err(WriteError::Parts)?;
                self.days(month).await
            }
            other => other,
        }
    }

    async fn unit(&self, name: &PartName) -> Result<Outcome, WriteError> {
        self.part(name).run().await
    }

    fn part(&self, name: &PartName) -> PartUpdate<'_> {
        let listed = self.existing.get(name).cloned();
        PartUpdate { rewrite: self.rewrite, parts: self.parts, name: name.clone(), listed }
    }

    /// Compacts a month with one part per day, and removes its previous part.
    async fn days(&self, month: &MonthPlan) -> Result<Outcome, WriteError> {
        let mut outcome = Outcome::default();
        for day in &month.days {
            if self.rewrite.cancel.is_cancelled() {
                return Err(WriteError::Cancelled);
            }
            outcome.merge(self.unit(&PartName { day: Some(*day), ..month.name.clone() }).await?);
        }
        let Some(old) = self.existing.get(&month.name) else { return Ok(outcome) };
        if let Some(held) = self.part(&month.name).retained().await? {
            outcome.merge(held);
            return Ok(outcome);
        }
        let is_removed = self.rewrite.settings.dry_run || {
            let removed = self.parts.change_if_match(&old.key, &old.etag, None).await;
            removed.map_err(WriteError::Parts)? == ChangeResult::Done
        };
        outcome[Counter::Removed] += u64::from(is_removed);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::lake::memory::Memory;

    #[test]
    fn a_store_of_parts_that_refuses_a_write_gets_advice() {
        let denied = || Error::new(Reason::Denied, "fazenda=x/mes=2023-01/parte.parquet", "Permission denied");
        let text = |e| format!("{:#}", error(e, &Memory::default()));
        assert!(text(WriteError::Parts(denied())).contains("the parts cannot be written"));
        assert!(!text(WriteError::Lake(denied())).contains("the parts cannot be written"), "it is an object");
    }
}
