//! Runs a restore: one part after the other, its objects concurrently.

use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, StreamExt};
use md5::{Digest as _, Md5};

use super::target::{Restored, TargetListing, put};
use super::{Counter, Outcome, Restore};
use crate::cancellation::CancellationToken;
use crate::parts::{CompleteRows, Content, Part, PartName, PartRow, PartRows, Wanted, WindowCache};
use crate::progress::{Progress, Stage};
use pipeline::lake::{Error, Lake, ObjectMeta, Reason, list_all};
use pipeline::record::PARTS;

/// Number of rows that are decoded together.
const PIECE: usize = 1_000;

/// Restores objects from the parts of a lake.
///
/// # Errors
/// Returns an error if the parts cannot be listed, or if the target cannot be reached or written.
pub async fn run(restore: &Restore, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let parts = restore.lake.sibling(PARTS);
    let wanted = |name: &PartName| {
        (restore.farms.is_empty() || restore.farms.iter().any(|farm| farm.as_str() == name.farm))
            && (restore.months.is_empty() || restore.months.contains(&name.month))
    };
    let listed = list_all(&*parts, "").await?.into_iter();
    let listed = listed.filter_map(|meta| PartName::parse(&meta.key).filter(wanted).map(|name| (name, meta)));
    let mut outcome = Outcome {
        lake: restore.lake.address(),
        to: restore.to.address(),
        dry_run: restore.dry_run,
        ..Outcome::default()
    };
    let stage = progress.stage("restore", "objects", None);
    for (name, meta) in listed.collect::<Vec<_>>() {
        if cancel.is_cancelled() {
            outcome.stopped = Some("interrupted: run the same command again to restore the rest".into());
            break;
        }
        outcome.merge(restore_part(restore, &parts, (name, meta), (&stage, cancel)).await?);
    }
    stage.finish();
    if let (Some(only), None) = (&restore.only, &outcome.stopped) {
        outcome[Counter::NotFound] = only.len().saturating_sub(outcome[Counter::Rows]);
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.problems.sort();
    outcome.check()?;
    Ok(outcome)
}

async fn restore_part(
    restore: &Restore,
    parts: &Arc<dyn Lake>,
    (name, meta): (PartName, ObjectMeta),
    (stage, cancel): (&Stage, &CancellationToken),
) -> Result<Outcome, Error> {
    let mut tally = Outcome::default();
    let opened = Part::open(Arc::clone(parts), meta, &name, &restore.lake.location()).await.map(Arc::new);
    let loaded = match opened {
        Ok(part) => part.load(part.all_rows(), Wanted::Everything).await.map(|()| part),
        Err(why) => Err(why),
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
    while !cancel.is_cancelled() {
        let read = tokio::task::spawn_blocking(move || (rows.by_ref().take(PIECE).collect::<Vec<_>>(), rows));
        let failed = |e| Error::new(Reason::Other, "restore", format!("a task failed: {e}"));
        let (piece, rest) = read.await.map_err(failed)?;
        rows = rest;
        if piece.is_empty() {
            break;
        }
        restore_rows(restore, piece, &mut target, &mut tally).await?;
        stage.add(PIECE as u64);
    }
    if let Some(why) = part.failure() {
        tally[Counter::NotTrusted] += 1;
        tally.problems.add("not_trusted", name.key(), why.to_string());
    }
    Ok(tally)
}

async fn restore_rows(
    restore: &Restore,
    rows: Vec<PartRow>,
    target: &mut TargetListing<'_>,
    tally: &mut Outcome,
) -> Result<(), Error> {
    let mut wanted = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| is_selected(restore, row)) {
        tally[Counter::Rows] += 1;
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

fn is_selected(restore: &Restore, row: &PartRow) -> bool {
    let id = match &row.content {
        Content::Record(record) => Some(&*record.id_treated_data),
        _ => None,
    };
    restore.only.as_ref().is_none_or(|only| only.has(&row.key, id))
}
