//! Replays: into the table, into a new table, and in shards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline::lake::Lake;
use pipeline::record::row::Row;
use pipeline::warehouse::{BulkWarehouse, TableName};
use ruminate::parts::PartsMode;
use ruminate::progress::Progress;
use ruminate::replay::{
    Counter, JournalMode, Outcome, Plan, Policy, Replay, ReplaySource, SwapOptions, ThrottleSettings,
    find_resumable_run, replay_into_new_table, run, shadow_table_name,
};
use ruminate::undo::UndoFile;

use crate::judge::{Facts, Object, objects};
use crate::model::Model;
use crate::must;
use crate::world::{Content, Stores, World};

/// Options of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayOptions {
    pub overwrites: bool,
    pub verifies: bool,
    pub uses_parts: bool,
    /// True if a failed replay is continued with `--resume`, and not started again.
    pub resumes: bool,
    pub connections: usize,
}

/// Result of a replay: the outcome of its last session, and the number of sessions.
pub struct Replayed {
    pub outcome: Outcome,
    pub sessions: u32,
}

fn source(lake: Arc<dyn Lake>, uses_parts: bool) -> ReplaySource {
    let parts = if uses_parts { PartsMode::Auto } else { PartsMode::Never };
    ReplaySource { parts, ..ReplaySource::of(lake) }
}

fn policy(options: ReplayOptions) -> Policy {
    if options.overwrites { Policy::Overwrite } else { Policy::Keep }
}

/// Prepares a replay into a table as the command does.
async fn prepare(
    stores: &Stores,
    into: &Arc<dyn BulkWarehouse>,
    options: ReplayOptions,
    undo: Option<UndoFile>,
) -> anyhow::Result<Replay> {
    let plan = Plan::new(source(Arc::clone(&stores.lake), options.uses_parts)).await?;
    let earlier = match options.resumes && stores.earlier > 0 {
        true => find_resumable_run(&**into, &plan, policy(options), options.verifies).await?,
        false => None,
    };
    let journal = earlier.map_or(JournalMode::New, |earlier| JournalMode::Resume(Box::new(earlier)));
    let throttle = ThrottleSettings { unavailable_timeout: Duration::from_secs(12), ..ThrottleSettings::default() };
    Ok(Replay {
        policy: policy(options),
        verify: options.verifies,
        load_concurrency: options.connections,
        sort: stores.sort.clone(),
        journal: Some(journal),
        undo_file: undo,
        throttle,
        ..Replay::new(plan, Arc::clone(into))
    })
}

/// Replays the lake into the table until all its objects that can be read were read.
pub async fn replay(
    world: &World,
    options: ReplayOptions,
    unreadable: u64,
    undo: Option<&std::path::Path>,
) -> anyhow::Result<Replayed> {
    let mut sessions = 0;
    let outcome = world
        .operate(async |stores| {
            sessions += 1;
            let undo = undo.map(|path| UndoFile::new(path.to_owned(), TableName::default().to_string()));
            let replay = prepare(&stores, &stores.bulk, options, undo).await?;
            let outcome = run(replay, &Progress::Silent, &stores.cancel).await?;
            outcome.check()?;
            check_sums(&outcome)?;
            // An object that could not be read is read by another replay.
            let is_complete = outcome.stopped.is_none() && outcome.counts[Counter::Unreadable] <= unreadable;
            Ok(is_complete.then_some(outcome))
        })
        .await?;
    Ok(Replayed { outcome, sessions })
}

/// Checks the accounting equation with its own sum, in total and by day.
fn check_sums(outcome: &Outcome) -> anyhow::Result<()> {
    let counts = &outcome.counts;
    let parts = [
        Counter::Inserted,
        Counter::Identical,
        Counter::Conflicting,
        Counter::Rejected,
        Counter::Archived,
        Counter::Unreadable,
    ];
    let sum = parts.iter().map(|counter| counts[*counter]).sum::<u64>() + counts.skipped();
    must!(counts[Counter::Listed] == sum, "{} objects are {sum} in parts", counts[Counter::Listed]);
    let by_day: u64 = outcome.days.values().map(|day| day.listed).sum();
    must!(by_day == counts[Counter::Listed], "{by_day} objects by day, {} listed", counts[Counter::Listed]);
    must!(counts[Counter::Mismatched] == 0, "a verified row was wrong: {outcome}");
    Ok(())
}

/// Checks the table after a replay of a lake that no other process changed.
pub fn check_replayed(
    model: &Model,
    (before, after): (&Content, &Content),
    replayed: &Replayed,
    options: ReplayOptions,
) -> anyhow::Result<()> {
    let expected = expected_rows(model, before, options.overwrites);
    check_rows(model, &expected, &after.rows)?;
    let listed = replayed.outcome.counts[Counter::Listed];
    must!(listed == before.objects.len() as u64, "{listed} of {} objects listed", before.objects.len());
    let (inserted, new) = (replayed.outcome.counts[Counter::Inserted], after.rows.len() - before.rows.len());
    // A session that is started again counts the rows of an earlier one as identical.
    let exact = replayed.sessions == 1;
    must!(inserted <= new as u64 && (!exact || inserted == new as u64), "{inserted} inserted, {new} new rows");
    Ok(())
}

/// A row that must exist: the one from before, or that of an object.
pub enum Expected<'a> {
    Kept(&'a Row),
    Of(Facts),
}

/// Returns the rows after a replay.
fn expected_rows<'a>(model: &Model, before: &'a Content, overwrites: bool) -> BTreeMap<String, Expected<'a>> {
    let rows = before.rows.iter();
    let mut expected: BTreeMap<String, Expected<'a>> =
        rows.map(|(id, row)| (id.clone(), Expected::Kept(row))).collect();
    for (id, object) in objects(before, &model.readings) {
        let Object::Record { facts, .. } = object else { continue };
        let is_same = |row: &Row| Facts::of_row(row).is_some_and(|row| facts.is_in(&row));
        match before.rows.get(&id) {
            Some(row) if !overwrites || is_same(row) => {}
            _ => drop(expected.insert(id, Expected::Of(facts))),
        }
    }
    expected
}

/// Checks that a table has exactly these rows.
pub fn check_rows(
    model: &Model,
    expected: &BTreeMap<String, Expected<'_>>,
    rows: &BTreeMap<String, Row>,
) -> anyhow::Result<()> {
    for (id, expected) in expected {
        let number = model.readings.number(id);
        let row = rows.get(id);
        let is_right = match expected {
            Expected::Kept(kept) => row == Some(*kept),
            Expected::Of(facts) => row.and_then(Facts::of_row).is_some_and(|row| facts.is_in(&row)),
        };
        must!(is_right, "the row of reading {number:?} ({id}) is {row:?}");
    }
    let stray = rows.keys().find(|id| !expected.contains_key(*id));
    must!(stray.is_none(), "the row {stray:?} has no reason");
    Ok(())
}

/// Replaces the table by a new one.
pub async fn swap(world: &World, options: ReplayOptions, max_missing: u64) -> anyhow::Result<Replayed> {
    let name = TableName::default();
    let shadow = shadow_table_name(&name)?;
    let mut sessions = 0;
    let outcome = world
        .operate(async |stores| {
            sessions += 1;
            let bulk = stores.bulk.with_table(shadow.clone());
            // As the command line does: a swap needs that all rows were read back.
            let options = ReplayOptions { resumes: true, verifies: true, ..options };
            let replay = prepare(&stores, &bulk, options, None).await?;
            let table = Arc::clone(&stores.bulk);
            let swap = SwapOptions { table, name: &name, max_missing, resume: stores.earlier > 0 };
            let outcome = replay_into_new_table(replay, swap, &Progress::Silent, &stores.cancel).await?;
            outcome.check()?;
            check_sums(&outcome)?;
            Ok(outcome.stopped.is_none().then_some(outcome))
        })
        .await?;
    Ok(Replayed { outcome, sessions })
}

/// Checks the table after a swap, or that it is unchanged if there was none.
pub async fn check_swapped(
    world: &World,
    model: &Model,
    (before, after): (&Content, &Content),
    (swapped, max_missing): (&Replayed, u64),
) -> anyhow::Result<()> {
    let objects = objects(before, &model.readings);
    let missing = objects.values().filter(|object| **object == Object::Unreadable).count()
        + before.rows.keys().filter(|id| !matches!(objects.get(*id), Some(Object::Record { .. }))).count();
    let Some(swap) = &swapped.outcome.table_swap else { anyhow::bail!("an outcome without a swap") };
    let may_swap = missing as u64 <= max_missing;
    must!(swap.swapped == may_swap, "{missing} records are missing, {max_missing} may be: {swap:?}");
    if !swap.swapped {
        must!(after.rows == before.rows, "the table has changed without a swap");
        return Ok(());
    }
    let records = objects.into_iter().filter_map(|(id, object)| match object {
        Object::Record { facts, .. } => Some((id, Expected::Of(facts))),
        Object::Unreadable => None,
    });
    let expected: BTreeMap<String, Expected<'_>> = records.collect();
    check_rows(model, &expected, &after.rows)?;
    if let (Some(old), 1) = (&swap.old, swapped.sessions) {
        let old = world.table(&old.parse().map_err(|e: String| anyhow::anyhow!(e))?).await?;
        must!(old == before.rows, "the old table was changed");
    }
    Ok(())
}
