//! Reverting the changes in an undo file, newest first.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;

use super::ObjectEntry;
use super::outcome::{Outcome, UndoCounter};
use super::reader::{Change, ChangeReader};
use super::simulated::Simulated;
use crate::cancellation::CancellationToken;
use pipeline::lake::{ChangeResult, Lake, Reason, head};
use pipeline::record::row::{Row, TableSchema};
use pipeline::warehouse::{BulkWarehouse, ChangeSet, InsertResult};

/// A row before and after a change.
type BeforeAfter = (Option<Row>, Row);

/// Reverts the changes in an undo file, newest first; what has changed since stays as it is. The lake is required only if
/// the file has changes of objects.
///
/// # Errors
///
/// Returns an error if the file cannot be read or is for another table or lake, or if a store fails before the first
/// change. A later failure is an outcome that states where the run stopped.
pub async fn revert(
    warehouse: &dyn BulkWarehouse,
    lake: Option<&dyn Lake>,
    path: &Path,
    table: &str,
    dry_run: bool,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let schema = warehouse.table_schema().await?;
    let about = || format!("the undo file {}", path.display());
    let mut changes = ChangeReader::open(path, table, lake.map(Lake::identity), &schema).with_context(about)?;
    let mut undone = Outcome { dry_run, ..Outcome::default() };
    undone[UndoCounter::Changes] = changes.count();
    undone[UndoCounter::TruncatedLines] = changes.broken.len() as u64;
    let simulated = if dry_run {
        Simulated::of(path, table, lake.map(Lake::identity), &schema).with_context(about)?
    } else {
        Simulated::default()
    };
    let mut work = Reverter { warehouse, lake, schema: &schema, undone, simulated };
    for number in std::mem::take(&mut changes.broken) {
        let why = "truncated before its change was made: skipped";
        work.undone.problems.add("truncated", format!("line {number}"), why);
    }
    let ended = work.revert_all(&mut changes, about, cancel).await;
    let undone = &mut work.undone;
    match ended {
        // Nothing was done: an error instead of an outcome.
        Err(e) if undone.counts.parts() == 0 => return Err(e),
        Err(e) => undone.stopped = Some(format!("{e:#}")),
        Ok(Reverted::All) => {}
        Ok(Reverted::Interrupted) => undone.stopped = Some("interrupted".into()),
    }
    let processed = undone.counts.parts();
    undone[UndoCounter::Changes] = changes.count().max(processed);
    undone[UndoCounter::NotProcessed] = undone[UndoCounter::Changes] - processed;
    undone.seconds = started.elapsed().as_secs_f64();
    Ok(work.undone)
}

/// Splits changes so that no slice contains an id twice, because each change must see the result of the one before it.
fn split_unique_ids(changes: &[BeforeAfter]) -> Vec<&[BeforeAfter]> {
    let (mut slices, mut begin, mut ids) = (Vec::new(), 0, HashSet::new());
    for (at, (_, after)) in changes.iter().enumerate() {
        if !ids.insert(after.id()) {
            slices.push(&changes[begin..at]);
            begin = at;
            ids = HashSet::from([after.id()]);
        }
    }
    slices.push(&changes[begin..]);
    slices
}

struct Reverter<'a> {
    warehouse: &'a dyn BulkWarehouse,
    lake: Option<&'a dyn Lake>,
    schema: &'a TableSchema,
    undone: Outcome,
    /// Values that a dry run would have written.
    simulated: Simulated,
}

/// Planned writes of rows: replacements and deletions.
#[derive(Default)]
struct PlannedWrites {
    replace: Vec<(Row, Row)>,
    remove: Vec<Row>,
}

/// Progress of reverting a file.
enum Reverted {
    All,
    Interrupted,
}

impl Reverter<'_> {
    /// Reverts all changes, until the run is interrupted or a store fails.
    async fn revert_all(
        &mut self,
        changes: &mut ChangeReader<'_>,
        about: impl Fn() -> String,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Reverted> {
        while let Some(piece) = changes.next_chunk().with_context(&about)? {
            let (mut rows, mut objects) = (Vec::new(), Vec::new());
            for change in piece {
                match change {
                    Change::Row(row) => rows.push(*row),
                    Change::Object(object) => objects.push(object),
                }
            }
            for rows in split_unique_ids(&rows) {
                if cancel.is_cancelled() {
                    return Ok(Reverted::Interrupted);
                }
                self.revert_rows(rows).await?;
            }
            for object in &objects {
                if cancel.is_cancelled() {
                    return Ok(Reverted::Interrupted);
                }
                self.revert_object(object).await?;
            }
        }
        Ok(Reverted::All)
    }

    /// Reverts rows with distinct ids, in one transaction if none of them changes concurrently.
    async fn revert_rows(&mut self, changes: &[BeforeAfter]) -> anyhow::Result<()> {
        let due = self.plan(changes).await?;
        let change = ChangeSet { replace: &due.replace, remove: &due.remove, ..ChangeSet::default() };
        if self.undone.dry_run || self.warehouse.apply(&change, self.schema).await? == InsertResult::Inserted {
            self.count(UndoCounter::RowsReverted, due.replace.len() as u64);
            self.count(UndoCounter::RowsDeleted, due.remove.len() as u64);
            return Ok(());
        }
        for (now, before) in &due.replace {
            let swap = [(now.clone(), before.clone())];
            self.revert_one(&ChangeSet { replace: &swap, ..ChangeSet::default() }, before.id(), Some(before)).await?;
        }
        for now in &due.remove {
            let change = ChangeSet { remove: std::slice::from_ref(now), ..ChangeSet::default() };
            self.revert_one(&change, now.id(), None).await?;
        }
        Ok(())
    }

    /// Plans the writes; changes that need none are counted.
    async fn plan(&mut self, changes: &[BeforeAfter]) -> anyhow::Result<PlannedWrites> {
        // If the spelling of the row's id was changed, the old spelling may exist again.
        let other = |(before, after): &BeforeAfter| {
            before.as_ref().map(Row::id).filter(|id| *id != after.id()).map(str::to_owned)
        };
        let ids = changes.iter().flat_map(|change| [Some(change.1.id().to_owned()), other(change)]);
        let ids: Vec<String> = ids.flatten().collect();
        let rows = self.warehouse.fetch(&ids, self.schema).await?;
        let mut rows: HashMap<String, Row> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        self.simulated.replace_rows(&ids, &mut rows);
        let mut due = PlannedWrites::default();
        for change @ (before, after) in changes {
            let now = rows.remove(after.id()).or_else(|| rows.remove(&other(change)?));
            if now == *before {
                self.undone[UndoCounter::AlreadyRestored] += 1;
                continue;
            }
            match (now, before) {
                (Some(now), before) if after.is_stored_as(&now, self.schema) => {
                    self.simulated.revert_row(&now, before.as_ref());
                    match before {
                        Some(before) => due.replace.push((now, before.clone())),
                        None => due.remove.push(now),
                    }
                }
                (now, _) => self.changed(after.id(), now.is_some()),
            }
        }
        Ok(due)
    }

    async fn revert_one(&mut self, change: &ChangeSet<'_>, id: &str, before: Option<&Row>) -> anyhow::Result<()> {
        let counter = if before.is_some() { UndoCounter::RowsReverted } else { UndoCounter::RowsDeleted };
        if self.warehouse.apply(change, self.schema).await? == InsertResult::Inserted {
            self.count(counter, 1);
            return Ok(());
        }
        let found = self.warehouse.fetch(&[id.to_owned()], self.schema).await?;
        match found.iter().find(|row| row.id() == id) {
            // The response was lost, but the change was made.
            row if row == before => self.count(counter, 1),
            row => self.changed(id, row.is_some()),
        }
        Ok(())
    }

    /// Counts changes that were reverted, in this way.
    fn count(&mut self, counter: UndoCounter, changes: u64) {
        self.undone[UndoCounter::Restored] += changes;
        self.undone[counter] += changes;
    }

    fn changed(&mut self, id: &str, is_there: bool) {
        self.undone[UndoCounter::ModifiedSince] += 1;
        let why = if is_there { "modified since" } else { "the row no longer exists" };
        self.undone.problems.add("modified_since", id, why);
    }

    async fn revert_object(&mut self, object: &ObjectEntry) -> anyhow::Result<()> {
        let lake = self.lake.context("objects were changed: pass --lake URL")?; // the lines were checked before
        let ObjectEntry { lake: _, key, before, after } = object;
        let listed = head(lake, key).await?;
        let now = match lake.get_within(key, before.as_ref().map_or(0, String::len).max(after.len())).await {
            Ok(body) => Some(body),
            // Larger than before and after the change: its content does not matter.
            Err(e) if e.reason == Reason::TooLarge => Some(Bytes::new()),
            Err(e) if e.reason == Reason::NotFound => None,
            Err(e) => return Err(e.into()),
        };
        let (etag, now) = match self.simulated.object(key) {
            Some(simulated) => (simulated.is_some().then(String::new), simulated),
            None => (listed.map(|meta| meta.etag), now),
        };
        if now.as_deref() == before.as_deref().map(str::as_bytes) {
            self.undone[UndoCounter::AlreadyRestored] += 1;
            return Ok(());
        }
        // The change token was listed before the body was read, so the conditional write detects any change in between.
        if let (Some(etag), Some(now)) = (&etag, &now)
            && now == after.as_bytes()
        {
            let body = before.as_ref().map(|before| Bytes::from(before.clone()));
            if self.undone.dry_run || lake.change_if_match(key, etag, body).await? == ChangeResult::Done {
                self.simulated.revert_object(key, before.as_deref());
                self.undone.conditional_writes = (!self.undone.dry_run).then(|| lake.conditions().change);
                self.count(
                    match before {
                        Some(_) => UndoCounter::ObjectsReverted,
                        None => UndoCounter::ObjectsDeleted,
                    },
                    1,
                );
                return Ok(());
            }
        }
        self.undone[UndoCounter::ModifiedSince] += 1;
        let why = if now.is_some() { "modified since" } else { "the object no longer exists" };
        self.undone.problems.add("modified_since", key.as_str(), why);
        Ok(())
    }
}
