//! Compares the quarantine next to the lake with the invalid lines in the truth, by the SHA-256 in object names.

use anyhow::Context as _;

use super::check::TruthCheck;
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::reconcile::outcome::TruthCounter;
use crate::reconcile::sorters::FULL;
use crate::reconcile::truth_entries::{HashEntry, QuarantinedHash};
use crate::sort::Sorted;
use pipeline::hex::unhex;
use pipeline::lake::{Depth, Lake};
use pipeline::record::QUARANTINE;

impl TruthCheck {
    /// Counts the invalid messages in the quarantine, and returns the missing ones; `None` if the run was cancelled.
    pub(super) async fn quarantine(
        &mut self,
        lake: &dyn Lake,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<Sorted<HashEntry>>> {
        let Some(mut kept) = self.list(&*lake.sibling(QUARANTINE), progress, cancel).await? else { return Ok(None) };
        let mut missing = self.sorters.truth_hashes()?;
        let nothing = self.sorters.truth_hashes()?.finish()?;
        let entries = std::mem::replace(&mut self.hashes, nothing);
        let (mut last, mut has) = (None, kept.next().transpose()?);
        for entry in entries {
            let entry = entry.context("the sorted truth cannot be read back")?;
            if last.replace(entry.hash) == Some(entry.hash) {
                continue; // the same bytes are stored as the same object
            }
            self.truth[TruthCounter::QuarantinedExpected] += 1;
            while let Some(object) = has.take_if(|object| object.0 < entry.hash) {
                self.truth[TruthCounter::QuarantinedUnlisted] += 1;
                has = skip_same(&mut kept, object)?;
            }
            match has.take_if(|object| object.0 == entry.hash) {
                Some(object) => {
                    self.truth[TruthCounter::QuarantinedFound] += 1;
                    has = skip_same(&mut kept, object)?;
                }
                None => missing.push(entry).context(FULL)?,
            }
        }
        while let Some(object) = has {
            self.truth[TruthCounter::QuarantinedUnlisted] += 1;
            has = skip_same(&mut kept, object)?;
        }
        missing.finish().context(FULL).map(Some)
    }

    /// Lists the hashes in the names of all quarantined objects.
    async fn list(
        &self,
        quarantine: &dyn Lake,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<Sorted<QuarantinedHash>>> {
        let stage = progress.stage("quarantine", "objects", None);
        let (mut sorter, mut after) = (self.sorters.kept()?, None);
        loop {
            if cancel.is_cancelled() {
                return Ok(None);
            }
            let page = quarantine.list("", Depth::Recursive, after.as_deref()).await?;
            stage.add(page.objects.len() as u64);
            for hash in page.objects.iter().filter_map(|meta| hash_of(&meta.key)) {
                sorter.push(QuarantinedHash(hash)).context(FULL)?;
            }
            after = page.next;
            if after.is_none() {
                stage.finish();
                return sorter.finish().context(FULL).map(Some);
            }
        }
    }
}

/// Returns the next different object: a message that arrived on several days is stored once per day.
fn skip_same(kept: &mut Sorted<QuarantinedHash>, object: QuarantinedHash) -> anyhow::Result<Option<QuarantinedHash>> {
    for next in kept {
        let next = next.context("what the quarantine has cannot be read back from disk")?;
        if next.0 != object.0 {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// Returns the hash in `<YYYY>/<MM>/<DD>/<sha256>.json`.
fn hash_of(key: &str) -> Option<[u8; 32]> {
    unhex(key.rsplit('/').next()?.strip_suffix(".json")?)
}
