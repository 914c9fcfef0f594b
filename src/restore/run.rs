//! Runs a restore: one part after the other, its objects concurrently.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use futures::stream::{self, StreamExt};
use md5::{Digest as _, Md5};

use super::target::{Restored, TargetListing, put};
use super::{Counter, Outcome, Restore};
use crate::cancellation::CancellationToken;
use crate::parts::{CompleteRows, Content, Distrust, Month, Part, PartName, PartRow, PartRows, Wanted, WindowCache};
use crate::progress::{Progress, Stage};
use crate::reader::RecordSelection;
use pipeline::lake::{Error, Lake, ObjectMeta, Reason, list_all};
use pipeline::record::PARTS;

/// Number of rows that are decoded together.
const PIECE: usize = 1_000;

/// Restores objects from the parts of a lake.
///
/// # Errors
/// Returns an error if the parts cannot be listed, if there is none to restore from, or if the target cannot be reached or
/// written.
pub async fn run(restore: &Restore, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let parts = restore.lake.sibling(PARTS);
    let mut outcome = Outcome {
        lake: restore.lake.address(),
        to: restore.to.address(),
        dry_run: restore.dry_run,
        ..Outcome::default()
    };
    let Some(listed) = cancel.run_until_cancelled(selected_parts(restore, &*parts)).await.transpose()? else {
        outcome.stop();
        return Ok(outcome);
    };
    let stage = progress.stage("restore", "objects", None);
    let mut missing = restore.only.clone().unwrap_or_default();
    missing.retain_partitions(|place| is_wanted(restore, &place.farm, Month::of(place.day)));
    let job = Job { restore, parts: &parts, stage: &stage, cancel };
    for (name, meta) in listed {
        if cancel.is_cancelled() {
            outcome.stop();
            break;
        }
        outcome.merge(job.restore_part((name, meta), &mut missing).await?);
    }
    stage.finish();
    if outcome.stopped.is_none() {
        outcome[Counter::NotFound] = missing.len();
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.problems.sort();
    outcome.check()?;
    Ok(outcome)
}

/// Returns true if the restore includes a farm's month.
fn is_wanted(restore: &Restore, farm: &str, month: Month) -> bool {
    (restore.farms.is_empty() || restore.farms.iter().any(|wanted| wanted.as_str() == farm))
        && (restore.months.is_empty() || restore.months.contains(&month))
}

/// Returns the parts of the selected farms and months.
async fn selected_parts(restore: &Restore, parts: &dyn Lake) -> anyhow::Result<Vec<(PartName, ObjectMeta)>> {
    let listed = list_all(parts, "").await?.into_iter();
    let all: Vec<_> = listed.filter_map(|meta| Some((PartName::parse(&meta.key)?, meta))).collect();
    let of = |(name, _): &&(PartName, ObjectMeta)| is_wanted(restore, &name.farm, name.month);
    let selected: Vec<_> = all.iter().filter(of).cloned().collect();
    if !selected.is_empty() {
        return Ok(selected);
    }
    let (farms, months): (BTreeSet<_>, BTreeSet<_>) =
        all.iter().map(|(name, _)| (name.farm.as_str(), name.month)).unzip();
    match (months.first(), months.last()) {
        (Some(first), Some(last)) => bail!(
            "{} has no part of the selected farms and months: it has parts of {}, from {first} to {last}",
            parts.address(),
            farms.into_iter().collect::<Vec<_>>().join(", ")
        ),
        _ => bail!(
            "{} has no parts: `ruminate compact` writes them, --lake names the lake next to them",
            parts.address()
        ),
    }
}

/// Inputs of all parts of a restore.
#[derive(Clone, Copy)]
struct Job<'a> {
    restore: &'a Restore,
    parts: &'a Arc<dyn Lake>,
    stage: &'a Stage,
    cancel: &'a CancellationToken,
}

impl Job<'_> {
    /// Restores the selected objects of a part, and removes them from those that are missing.
    async fn restore_part(
        &self,
        (name, meta): (PartName, ObjectMeta),
        missing: &mut RecordSelection,
    ) -> Result<Outcome, Error> {
        let Self { restore, cancel, .. } = *self;
        let mut tally = Outcome::default();
        let Some(loaded) = cancel.run_until_cancelled(self.load(&name, meta)).await else {
            tally.stop();
            return Ok(tally);
        };
        let part = match loaded {
            Ok(part) => part,
            Err(why) => {
                tally[Counter::NotTrusted] += 1;
                tally.problems.add("not_trusted", name.key(), why.to_string());
                return Ok(tally);
            }
        };
        tally[Counter::Parts] += 1;
        let windows = Arc::new(WindowCache::default());
        let mut rows = CompleteRows(PartRows::new(Arc::clone(&part), windows, part.all_rows(), Wanted::Everything));
        let mut target = TargetListing::new(&*restore.to, name.prefix());
        loop {
            let read = tokio::task::spawn_blocking(move || (rows.by_ref().take(PIECE).collect::<Vec<_>>(), rows));
            let failed = |e| Error::new(Reason::Other, "restore", format!("a task failed: {e}"));
            let (piece, rest) = read.await.map_err(failed)?;
            rows = rest;
            if piece.is_empty() {
                break;
            }
            let selected: Vec<PartRow> = piece.into_iter().filter(|row| is_selected(restore, row)).collect();
            tally[Counter::Rows] += selected.len() as u64;
            selected.iter().for_each(|row| missing.remove(&row.key, id_of(row)));
            // Rows are left also if this is the last part, and if the store of the target hangs.
            match cancel.run_until_cancelled(restore_rows(restore, selected, &mut target, &mut tally)).await {
                Some(done) => done?,
                None => {
                    tally.stop();
                    break;
                }
            }
            self.stage.add(PIECE as u64);
        }
        if let Some(why) = part.failure() {
            tally[Counter::NotTrusted] += 1;
            tally.problems.add("not_trusted", name.key(), why.to_string());
        }
        Ok(tally)
    }

    /// Opens a part and fetches its rows.
    async fn load(&self, name: &PartName, meta: ObjectMeta) -> Result<Arc<Part>, Distrust> {
        let lake = self.restore.lake.location();
        let part = Part::open(Arc::clone(self.parts), meta, name, &lake).await.map(Arc::new)?;
        part.load(part.all_rows(), Wanted::Everything).await?;
        Ok(part)
    }
}

/// Writes the objects of selected rows.
async fn restore_rows(
    restore: &Restore,
    rows: Vec<PartRow>,
    target: &mut TargetListing<'_>,
    tally: &mut Outcome,
) -> Result<(), Error> {
    let mut wanted = Vec::with_capacity(rows.len());
    for row in rows {
        let there = target.find(&row.key).await?;
        match row.body.clone() {
            Some(body) => wanted.push((row, body, there)),
            None => {
                tally[Counter::NoBody] += 1;
                tally.problems.add("no_body", row.key, "the part has no body for it");
            }
        }
    }
    let mut done = stream::iter(wanted)
        .map(|(row, body, there)| async move {
            let put = put(&*restore.to, &row, body.clone(), there.as_ref(), restore.dry_run).await;
            (row, body, put)
        })
        .buffer_unordered(restore.writes.max(1));
    while let Some((row, body, put)) = done.next().await {
        match put {
            Ok(Restored::Written) => {
                tally[Counter::Restored] += 1;
                tally.bytes += row.size;
                tally[Counter::Proved] += u64::from(pipeline::hex::hex(&Md5::digest(&body)) == row.etag);
            }
            Ok(Restored::Identical) => tally[Counter::Identical] += 1,
            Ok(Restored::Differing) => {
                tally[Counter::Differing] += 1;
                tally.problems.add("differing", row.key, "an object with other bytes exists, and stays");
            }
            Err(e) if e.concerns_one_object() || e.kind().is_transient() => {
                tally[Counter::Failed] += 1;
                tally.problems.add("failed", row.key, e.message);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Returns the id of a row's record; `None` if it holds none.
fn id_of(row: &PartRow) -> Option<&str> {
    match &row.content {
        Content::Record(record) => Some(&*record.id_treated_data),
        _ => None,
    }
}

fn is_selected(restore: &Restore, row: &PartRow) -> bool {
    restore.only.as_ref().is_none_or(|only| only.has(&row.key, id_of(row)))
}
