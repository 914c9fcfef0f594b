//! A new table in place of a damaged one: loaded beside it, verified, caught up with the stream, then swapped in.
//!
//! Nobody sees the new table before it is whole: the swap is one RENAME, the old table is kept under another name, and
//! what came into the lake meanwhile is read once more before the swap and once after it. It is not swapped in while
//! records are missing that should be there.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use chrono::{TimeDelta, Utc};

use super::{Plan, Policy, Replay, run};
use crate::progress::Progress;
use crate::report::replay::{CutOver, Outcome};
use crate::stop::Stop;
use crate::warehouse::{Bulk, TableName};

/// Objects that old are read again when the new table catches up: a store's times have whole seconds, and clocks differ.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Times the new table catches up before it is swapped in, at most; the last time is after the swap anyway.
const CATCH_UPS: u32 = 3;

/// The name under which a table's successor is loaded.
///
/// # Errors
/// The table's name is too long for it.
pub fn shadow_of(table: &TableName) -> anyhow::Result<TableName> {
    named(table, "_ruminate_new")
}

fn named(table: &TableName, suffix: &str) -> anyhow::Result<TableName> {
    let name = format!("{table}{suffix}");
    name.parse()
        .map_err(|e: String| anyhow::anyhow!(e))
        .with_context(|| format!("there is no room for the name {name}"))
}

/// The table whose place a new one is to take.
#[derive(Debug)]
pub struct Swap<'a> {
    /// The table.
    pub table: Arc<dyn Bulk>,
    /// Its name.
    pub name: &'a TableName,
    /// So many records may be missing from the new one.
    pub accept_missing: u64,
    /// Whether the shadow of an earlier attempt is gone on with.
    pub resume: bool,
}

/// Loads all that `replay` is about into a new table and swaps it in, keeping the old one.
///
/// `replay` is about the shadow.
///
/// # Errors
/// Something stands against the swap, or the shadow of an earlier attempt is in the way; else as for [`run`].
pub async fn cut_over(replay: Replay, swap: Swap<'_>, progress: &Progress, stop: &Stop) -> anyhow::Result<Outcome> {
    let Swap { table, name, accept_missing, .. } = &swap;
    let shadow_name = shadow_of(name)?;
    let obstacles = table.obstacles().await?;
    ensure!(obstacles.is_empty(), "table {name} cannot be replaced: {}", obstacles.join("; "));
    let shadow = Arc::clone(&replay.bulk);
    if !table.create_like(&shadow_name).await? && !swap.resume && shadow.status().await?.rows != Some(0) {
        bail!("table {shadow_name} is there from an earlier attempt: go on with --resume, or drop it and begin anew");
    }
    let plan = replay.plan.clone();
    let mut outcome = run(Replay { verify: true, ..replay }, progress, stop).await?;
    let mut cut_over = CutOver { shadow: shadow_name.to_string(), table: name.to_string(), ..CutOver::default() };
    if outcome.stopped.is_none() {
        let mut caught_up = Catching { plan, progress, stop };
        caught_up.swap(&mut outcome, &mut cut_over, &shadow, table, name, *accept_missing).await?;
    }
    outcome.cut_over = Some(cut_over);
    Ok(outcome)
}

struct Catching<'a> {
    plan: Plan,
    progress: &'a Progress,
    stop: &'a Stop,
}

impl Catching<'_> {
    async fn swap(
        &mut self,
        outcome: &mut Outcome,
        cut_over: &mut CutOver,
        shadow: &Arc<dyn Bulk>,
        table: &Arc<dyn Bulk>,
        name: &TableName,
        accept_missing: u64,
    ) -> anyhow::Result<()> {
        for _ in 0..if self.plan.is_of_the_past() { 0 } else { CATCH_UPS } {
            let more = self.catch_up(shadow).await?;
            cut_over.caught_up += more.inserted;
            outcome.newest_row_ts = outcome.newest_row_ts.max(more.newest_row_ts);
            outcome.newest_data = outcome.newest_data.max(more.newest_data);
            if let Some(why) = more.stopped {
                outcome.stopped = Some(why);
                return Ok(());
            }
            if more.inserted == 0 {
                break;
            }
        }
        let there_is_one = table.status().await?.rows.is_some();
        let old = named(name, &format!("_old_{}", Utc::now().format("%Y%m%d%H%M%S%3f")))?;
        if there_is_one {
            cut_over.only_in_old = shadow.only_in(name).await?;
        }
        let against = against(outcome, cut_over, accept_missing);
        if !against.is_empty() {
            cut_over.why_not = Some(format!(
                "{}: it stays as {}; mend that and go on with --resume, or swap all the same with --accept-missing N",
                against.join("; "),
                cut_over.shadow
            ));
            return Ok(());
        }
        table.swap(&cut_over.shadow.parse().map_err(|e: String| anyhow::anyhow!(e))?, &old).await?;
        cut_over.swapped = true;
        cut_over.old = there_is_one.then(|| old.to_string());
        if self.plan.is_of_the_past() {
            return Ok(());
        }
        let last = self.catch_up(table).await?;
        cut_over.caught_up += last.inserted;
        if let Some(why) = last.stopped {
            outcome.stopped = Some(format!("after the swap, while what came meanwhile was read: {why}"));
        }
        Ok(())
    }

    /// Loads what came into the lake since the plan was made, and plans for the next time.
    async fn catch_up(&mut self, into: &Arc<dyn Bulk>) -> anyhow::Result<Outcome> {
        let since = self.plan.fence - OVERLAP;
        let next = self.plan.renewed(since).await?;
        self.plan = next.clone();
        let replay = Replay { journal: None, ..Replay::new(next, Arc::clone(into)) };
        run(Replay { policy: Policy::Keep, ..replay }, self.progress, self.stop).await
    }
}

/// What stands against swapping the table in.
fn against(outcome: &Outcome, cut_over: &CutOver, accept_missing: u64) -> Vec<String> {
    let mut against = Vec::new();
    let unread = (outcome.inserted + outcome.identical).saturating_sub(outcome.verified + outcome.unverified);
    if unread > 0 {
        against.push(format!("{unread} rows were not read back"));
    }
    if outcome.unverified > 0 {
        against.push(format!("{} rows were read back wrong", outcome.unverified));
    }
    let missing = outcome.archived + outcome.unreadable + cut_over.only_in_old;
    if missing > accept_missing {
        against.push(format!(
            "{missing} records would be missing ({} archived, {} unreadable, {} only in the old table)",
            outcome.archived, outcome.unreadable, cut_over.only_in_old
        ));
    }
    against
}
