//! Putting back what an undo file tells of, newest first.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;

use super::ObjectEntry;
use super::outcome::{Outcome, UndoCounter};
use super::reader::{Change, ChangeReader};
use crate::cancellation::CancellationToken;
use pipeline::lake::{ChangeResult, Lake, Reason, head};
use pipeline::record::row::{Row, TableSchema};
use pipeline::warehouse::{BulkWarehouse, ChangeSet, InsertResult};

/// A row before a change and after it.
type BeforeAfter = (Option<Row>, Row);

/// Puts back what an undo file tells of, newest first; what has changed since stays as it is.
///
/// # Errors
/// The file cannot be read or is about another table or lake; a store cannot be reached or refuses.
pub async fn revert(
    warehouse: &dyn BulkWarehouse,
    lake: &dyn Lake,
    path: &Path,
    table: &str,
    dry_run: bool,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let schema = warehouse.table_schema().await?;
    let about = || format!("the undo file {}", path.display());
    let mut changes = ChangeReader::open(path, table, lake.identity(), &schema).with_context(about)?;
    let mut undone = Outcome { dry_run, ..Outcome::default() };
    undone[UndoCounter::Changes] = changes.count;
    undone[UndoCounter::Broken] = changes.broken.len() as u64;
    let mut work = Reverter { warehouse, lake, schema: &schema, undone };
    for number in std::mem::take(&mut changes.broken) {
        let why = "it broke off before its change was made, and is left out";
        work.undone.problems.add("broken off", format!("line {number}"), why);
    }
    'pieces: while let Some(piece) = changes.next().with_context(about)? {
        let (mut rows, mut objects) = (Vec::new(), Vec::new());
        for change in piece {
            match change {
                Change::Row(row) => rows.push(*row),
                Change::Object(object) => objects.push(object),
            }
        }
        for rows in split_unique_ids(&rows) {
            if stop.is_cancelled() {
                break 'pieces;
            }
            work.revert_rows(rows).await?;
        }
        for object in &objects {
            if stop.is_cancelled() {
                break 'pieces;
            }
            work.revert_object(object).await?;
        }
    }
    let undone = &mut work.undone;
    undone[UndoCounter::Left] = undone[UndoCounter::Changes] - undone.counts.parts();
    undone.seconds = started.elapsed().as_secs_f64();
    Ok(work.undone)
}

/// Cuts changes so that no id is twice in one slice: each change is to find what the one before it left.
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
    lake: &'a dyn Lake,
    schema: &'a TableSchema,
    undone: Outcome,
}

/// What is to be done about rows: others in their place, and none.
#[derive(Default)]
struct PlannedWrites {
    replace: Vec<(Row, Row)>,
    remove: Vec<Row>,
}

impl Reverter<'_> {
    /// Puts rows of different ids back, in one transaction where none of them changes meanwhile.
    async fn revert_rows(&mut self, changes: &[BeforeAfter]) -> anyhow::Result<()> {
        let due = self.plan(changes).await?;
        let change = ChangeSet { replace: &due.replace, remove: &due.remove, ..ChangeSet::default() };
        if self.undone.dry_run || self.warehouse.apply(&change, self.schema).await? == InsertResult::Inserted {
            self.undone[UndoCounter::Restored] += (due.replace.len() + due.remove.len()) as u64;
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

    /// What is to be done; what is not is counted.
    async fn plan(&mut self, changes: &[BeforeAfter]) -> anyhow::Result<PlannedWrites> {
        // Of a row whose id was spelled otherwise, the old spelling may be there again.
        let other = |(before, after): &BeforeAfter| {
            before.as_ref().map(Row::id).filter(|id| *id != after.id()).map(str::to_owned)
        };
        let ids = changes.iter().flat_map(|change| [Some(change.1.id().to_owned()), other(change)]);
        let ids: Vec<String> = ids.flatten().collect();
        let rows = self.warehouse.fetch(&ids, self.schema).await?;
        let mut rows: HashMap<String, Row> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        let mut due = PlannedWrites::default();
        for change @ (before, after) in changes {
            let now = rows.remove(after.id()).or_else(|| rows.remove(&other(change)?));
            if now == *before {
                self.undone[UndoCounter::Already] += 1;
                continue;
            }
            match (now, before) {
                (Some(now), before) if after.is_stored_as(&now, self.schema) => match before {
                    Some(before) => due.replace.push((now, before.clone())),
                    None => due.remove.push(now),
                },
                (now, _) => self.changed(after.id(), now.is_some()),
            }
        }
        Ok(due)
    }

    async fn revert_one(&mut self, change: &ChangeSet<'_>, id: &str, before: Option<&Row>) -> anyhow::Result<()> {
        if self.warehouse.apply(change, self.schema).await? == InsertResult::Inserted {
            self.undone[UndoCounter::Restored] += 1;
            return Ok(());
        }
        let found = self.warehouse.fetch(&[id.to_owned()], self.schema).await?;
        match found.iter().find(|row| row.id() == id) {
            // An answer was lost, of what was done.
            row if row == before => self.undone[UndoCounter::Restored] += 1,
            row => self.changed(id, row.is_some()),
        }
        Ok(())
    }

    fn changed(&mut self, id: &str, is_there: bool) {
        self.undone[UndoCounter::ChangedSince] += 1;
        let why = if is_there { "it holds other values than were written" } else { "there is no such row" };
        self.undone.problems.add("changed since", id, why);
    }

    async fn revert_object(&mut self, object: &ObjectEntry) -> anyhow::Result<()> {
        let ObjectEntry { lake: _, key, before, after } = object;
        let listed = head(self.lake, key).await?;
        let now = match self.lake.get(key).await {
            Ok(body) => Some(body),
            Err(e) if e.reason == Reason::NotFound => None,
            Err(e) => return Err(e.into()),
        };
        if now.as_deref() == before.as_deref().map(str::as_bytes) {
            self.undone[UndoCounter::Already] += 1;
            return Ok(());
        }
        // The token was listed before the body was read: what comes in between is met by the guard.
        if let (Some(meta), Some(now)) = (&listed, &now)
            && now == after.as_bytes()
        {
            let body = before.as_ref().map(|before| Bytes::from(before.clone()));
            if self.undone.dry_run || self.lake.change_if_match(key, &meta.etag, body).await? == ChangeResult::Done {
                self.undone.conditional_writes = (!self.undone.dry_run).then(|| self.lake.conditions().change);
                self.undone[UndoCounter::Restored] += 1;
                return Ok(());
            }
        }
        self.undone[UndoCounter::ChangedSince] += 1;
        let why = if now.is_some() { "it holds another text than was written" } else { "there is no such object" };
        self.undone.problems.add("changed since", key.as_str(), why);
        Ok(())
    }
}
