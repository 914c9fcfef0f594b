//! Compactions of the lake into parts, and restores from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use ruminate::compact::{self, Compaction, Counter, OnDeleted, Verification};
use ruminate::outcome::{CommandOutcome as _, Exit};
use ruminate::progress::Progress;
use ruminate::restore::{self, Restore};

use crate::model::Model;
use crate::must;
use crate::world::{Content, World};

/// Compacts the lake until a run is complete. `drops` removes the rows of deleted objects.
pub async fn compact(world: &World, drops: bool) -> anyhow::Result<compact::Outcome> {
    world
        .operate(async |stores| {
            let compaction = Compaction {
                reads: 8,
                verification: Verification::Sample,
                on_deleted: if drops { OnDeleted::Drop } else { OnDeleted::Hold },
                allow_empty: true,
                temp_dir: stores.sort.dir.clone(),
                ..Compaction::of(Arc::clone(&stores.lake))
            };
            let outcome = compact::run(&compaction, &Progress::Silent, &stores.cancel).await?;
            outcome.check()?;
            must!(outcome[Counter::Mismatched] == 0, "a part has other rows than the lake: {outcome}");
            let is_complete = outcome.stopped.is_none() && outcome[Counter::Unreadable] == 0;
            let is_complete = is_complete && outcome[Counter::NotWritten] + outcome[Counter::NotVerified] == 0;
            Ok(is_complete.then_some(outcome))
        })
        .await
}

/// Checks a compaction, and remembers its objects if parts have all of them.
pub fn check_compacted(model: &mut Model, before: &Content, outcome: &compact::Outcome) -> anyhow::Result<()> {
    let listed = outcome[Counter::Listed];
    must!(listed >= before.objects.len() as u64, "{listed} of {} objects listed", before.objects.len());
    let held = outcome[Counter::Held] + outcome[Counter::Deleted] + outcome[Counter::PartsHeld];
    must!(held > 0 || outcome.exit() != Exit::Findings || outcome[Counter::Rejected] > 0, "findings: {outcome}");
    if held == 0 {
        model.compacted = Some(before.objects.clone());
    }
    Ok(())
}

/// Restores the objects that parts have and the lake has lost.
pub async fn restore(world: &World) -> anyhow::Result<restore::Outcome> {
    world
        .operate(async |stores| {
            let restore = Restore {
                lake: Arc::clone(&stores.lake),
                to: Arc::clone(&stores.lake),
                farms: BTreeSet::new(),
                months: BTreeSet::new(),
                only: None,
                writes: 4,
                dry_run: false,
            };
            let outcome = match restore::run(&restore, &Progress::Silent, &stores.cancel).await {
                Err(e) if e.to_string().contains("has no parts") => return Ok(Some(restore::Outcome::default())),
                other => other?,
            };
            outcome.check()?;
            let failed = outcome[restore::Counter::Failed] + outcome[restore::Counter::NotTrusted];
            Ok((outcome.stopped.is_none() && failed == 0).then_some(outcome))
        })
        .await
}
