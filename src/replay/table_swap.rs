//! Replaces a damaged table: loads a new table, verifies it, catches up with new objects, and swaps it in.
//!
//! The new table is not visible before it is complete. The swap is one RENAME, and the old table is kept under another
//! name. Objects that arrive during the load are read before the swap and again after it. There is no swap while
//! expected records are missing. After it, rows that others added to the old table in the meantime are counted.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use chrono::Utc;

use super::outcome::{Counter, Outcome, TableSwap};
use super::plan::Plan;
use super::policy::Policy;
use super::run::run;
use super::settings::Replay;
use super::throttle::{ThrottleLimits, ThrottleSettings};
use crate::cancellation::CancellationToken;
use crate::outcome::{Counter as _, count, counted};
use crate::progress::Progress;
use crate::reader::Skip;
use crate::sort::SortSettings;
use pipeline::lake::ThrottleStats;
use pipeline::warehouse::{BulkWarehouse, TableName};

/// Maximum number of catch-up runs before the swap; one more follows it in any case.
const CATCH_UPS: u32 = 3;

/// Returns the name under which the replacement of a table is loaded.
///
/// # Errors
/// Returns an error if the table's name is too long for the suffix.
pub fn shadow_table_name(table: &TableName) -> anyhow::Result<TableName> {
    named(table, "_ruminate_new")
}

fn named(table: &TableName, suffix: &str) -> anyhow::Result<TableName> {
    let name = format!("{table}{suffix}");
    name.parse().map_err(|e: String| anyhow::anyhow!(e)).with_context(|| format!("the name {name} is too long"))
}

/// Table to replace, and the conditions of the swap.
#[derive(Debug)]
pub struct SwapOptions<'a> {
    /// Table to replace.
    pub table: Arc<dyn BulkWarehouse>,
    /// Name of the table.
    pub name: &'a TableName,
    /// Number of records that may be missing from the new table.
    pub max_missing: u64,
    /// If true, the shadow table of an earlier attempt is reused.
    pub resume: bool,
}

/// Loads all objects of `replay` into a new table and swaps it in; the old table is kept.
///
/// The warehouse of `replay` is the shadow table. A failure after the load is an outcome that states where the run
/// stopped.
///
/// # Errors
/// Returns an error if the swap is blocked, if the shadow table of an earlier attempt exists, or for the reasons of
/// [`run`].
pub async fn replay_into_new_table(
    replay: Replay,
    swap: SwapOptions<'_>,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let SwapOptions { table, name, .. } = &swap;
    let shadow_name = shadow_table_name(name)?;
    let blockers = table.swap_blockers().await?;
    ensure!(blockers.is_empty(), "cannot swap table {name}: {}", blockers.join("; "));
    let shadow = Arc::clone(&replay.bulk);
    table.check_writable().await?;
    if !table.create_like(&shadow_name).await? && !swap.resume && shadow.status().await?.rows != Some(0) {
        bail!("shadow table {shadow_name} exists from an earlier attempt: use --resume, or drop it");
    }
    let mut replay = Replay { verify: true, ..replay };
    if !replay.plan.is_historical() {
        replay.plan = replay.plan.with_catch_up();
    }
    let plan = replay.plan.clone();
    let settings = CatchUpSettings::of(&mut replay);
    let outcome = run(replay, progress, cancel).await?;
    let table_swap = TableSwap { shadow: shadow_name.to_string(), table: name.to_string(), ..TableSwap::default() };
    let mut cutting =
        TableSwapRun { swap: &swap, shadow_name, shadow, settings, plan, progress, cancel, outcome, table_swap };
    if cutting.outcome.stopped.is_none()
        && let Err(e) = cutting.catch_up_and_swap().await
    {
        cutting.outcome.stopped = Some(format!("{e:#}"));
    }
    let TableSwapRun { mut outcome, table_swap, .. } = cutting;
    outcome.table_swap = Some(table_swap);
    outcome.check()?;
    Ok(outcome)
}

/// Settings of the run, for the catch-up runs that follow it.
struct CatchUpSettings {
    read_concurrency: usize,
    load_concurrency: usize,
    sort: SortSettings,
    /// Current limits.
    limits: Arc<Mutex<ThrottleLimits>>,
    throttle: ThrottleSettings,
}

impl CatchUpSettings {
    /// Returns the settings of a run, and follows changes of its limits from here on.
    fn of(replay: &mut Replay) -> Self {
        let limits = Arc::new(Mutex::new(replay.throttle.limits.clone()));
        let (inner, newest) = (Arc::clone(&replay.throttle.reload), Arc::clone(&limits));
        replay.throttle.reload = Arc::new(move || {
            let changed = inner()?;
            newest.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&changed);
            Some(changed)
        });
        Self {
            read_concurrency: replay.read_concurrency,
            load_concurrency: replay.load_concurrency,
            sort: replay.sort.clone(),
            limits,
            throttle: replay.throttle.clone(),
        }
    }

    /// Returns a replay of `plan` into `bulk` that keeps existing rows and is not resumed.
    fn replay(&self, plan: Plan, bulk: Arc<dyn BulkWarehouse>) -> Replay {
        let limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Replay {
            policy: Policy::Keep,
            verify: true,
            journal: None,
            read_concurrency: self.read_concurrency,
            load_concurrency: self.load_concurrency,
            sort: self.sort.clone(),
            throttle: ThrottleSettings { limits, ..self.throttle.clone() },
            ..Replay::new(plan, bulk)
        }
    }
}

/// Table swap whose new table is loaded.
struct TableSwapRun<'a> {
    swap: &'a SwapOptions<'a>,
    shadow_name: TableName,
    shadow: Arc<dyn BulkWarehouse>,
    settings: CatchUpSettings,
    /// Plan of the newest run.
    plan: Plan,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    outcome: Outcome,
    table_swap: TableSwap,
}

impl TableSwapRun<'_> {
    /// Catches up, swaps the table in unless the swap is blocked, and catches up again.
    async fn catch_up_and_swap(&mut self) -> anyhow::Result<()> {
        let catches_up = !self.plan.is_historical();
        for _ in 0..if catches_up { CATCH_UPS } else { 0 } {
            let more = self.catch_up(false).await;
            if more.context("before the swap, while reading new objects")? == 0 {
                break;
            }
        }
        let (table, name) = (&self.swap.table, self.swap.name);
        let there_is_one = table.status().await.context(BEFORE)?.rows.is_some();
        if there_is_one {
            let counted = self.cancel.run_until_cancelled(self.shadow.count_rows_only_in(name)).await;
            let Some(only_in_old) = counted.transpose().context(BEFORE)? else {
                bail!("interrupted before the swap, with the new table loaded")
            };
            self.table_swap.only_in_old = only_in_old;
        }
        let mut against = swap_blockers(&self.outcome, &self.table_swap, self.swap.max_missing);
        against.extend(table.swap_blockers().await.context(BEFORE)?); // it may have been altered during the load
        if !against.is_empty() {
            self.table_swap.reason = Some(format!(
                "{}: it stays as {}; fix that and use --resume, or swap anyway with --max-missing N",
                against.join("; "),
                self.table_swap.shadow
            ));
            return Ok(());
        }
        let old = named(name, &format!("_old_{}", Utc::now().format("%Y%m%d%H%M%S%3f")))?;
        self.rename(&old).await?;
        self.table_swap.old = there_is_one.then(|| old.to_string());
        if catches_up {
            let kept = if there_is_one { format!("; the old table is {old}") } else { String::new() };
            self.catch_up(true).await.with_context(|| {
                format!(
                    "after the swap, while catching up with new objects ({name} is the new table{kept}; what is not \
                     read yet is loaded by a plain `ruminate replay`)"
                )
            })?;
        }
        if there_is_one {
            self.find_added(&old).await.with_context(|| format!("after the swap, while {old} was compared"))?;
        }
        Ok(())
    }

    /// Finds rows that others added to the old table after its rows were counted: a row is in its object's catch-up, or
    /// it has no object.
    async fn find_added(&mut self, old: &TableName) -> anyhow::Result<()> {
        let only_in_old = self.swap.table.count_rows_only_in(old).await?;
        self.table_swap.added_before_swap = only_in_old.saturating_sub(self.table_swap.only_in_old);
        Ok(())
    }

    /// Swaps the tables. If the response is lost, the tables are checked to find out if the swap took place.
    async fn rename(&mut self, old: &TableName) -> anyhow::Result<()> {
        let Err(e) = self.swap.table.swap_tables(&self.shadow_name, old).await else {
            self.table_swap.swapped = true;
            return Ok(());
        };
        match self.shadow.status().await {
            Ok(status) if status.rows.is_some() => Err(e).context(BEFORE),
            Ok(_) => {
                self.table_swap.swapped = true;
                Ok(())
            }
            Err(_) => Err(e).context(format!(
                "it is not known whether the tables were swapped: if there is a table {old}, they were, and a plain \
                 `ruminate replay` loads the rest"
            )),
        }
    }

    /// Loads the objects that arrived since the plan was made, adds them to the outcome, and returns the number of new
    /// rows.
    ///
    /// The `last` catch-up leaves no objects to another one.
    async fn catch_up(&mut self, last: bool) -> anyhow::Result<u64> {
        let cutoff = self.outcome.cutoff.unwrap_or(self.plan.cutoff.instant());
        let plan = self.plan.for_catch_up(cutoff, last).await?;
        let into = if last { &self.swap.table } else { &self.shadow };
        let replay = self.settings.replay(plan.clone(), Arc::clone(into));
        let mut more = run(replay, self.progress, self.cancel).await?;
        self.plan = plan;
        let (inserted, stopped) = (more.counts[Counter::Inserted], more.stopped.take());
        self.outcome.cutoff = more.cutoff;
        self.table_swap.caught_up += inserted;
        self.outcome.lake_throttling = ThrottleStats::default(); // the lake's counts are cumulative
        self.outcome.merge(more);
        match stopped {
            Some(why) => bail!(why),
            None => Ok(inserted),
        }
    }
}

/// Stage of a failure before the swap.
const BEFORE: &str = "before the swap, with the new table loaded";

/// Returns the reasons not to swap the table in.
fn swap_blockers(outcome: &Outcome, table_swap: &TableSwap, max_missing: u64) -> Vec<String> {
    let mut against = Vec::new();
    let read_back = outcome.counts[Counter::Verified] + outcome.counts[Counter::Mismatched];
    let unread = outcome.counts.recovered().saturating_sub(read_back);
    if unread > 0 {
        against.push(format!("{} not read back", counted(unread, "row was", "rows were")));
    }
    if outcome.counts[Counter::Mismatched] > 0 {
        let mismatched = counted(outcome.counts[Counter::Mismatched], "row does", "rows do");
        against.push(format!("{mismatched} not match the lake"));
    }
    let read = Counter::UNREAD.map(|counter| (counter.spec().title, outcome.counts[counter]));
    let hidden = Skip::ALL.iter().filter(|skip| skip.hides_a_record());
    let hidden = hidden.map(|skip| (skip.spec().title, outcome.counts[*skip]));
    let parts: Vec<_> =
        read.into_iter().chain(hidden).chain([("only in the old table", table_swap.only_in_old)]).collect();
    let missing: u64 = parts.iter().map(|(_, n)| n).sum();
    if missing > max_missing {
        let parts: Vec<String> = parts.iter().map(|(title, n)| format!("{} {title}", count(*n))).collect();
        let missing = counted(missing, "record", "records");
        against.push(format!("{missing} would be missing ({})", parts.join(", ")));
    }
    against
}
