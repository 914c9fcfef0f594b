//! The quarantine's side: the objects beside the lake, by the SHA-256 in their names, against the broken lines told of.

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
    /// Counts what the quarantine has of the broken messages; those it has not, or `None` where it is to stop.
    pub(super) async fn quarantine(
        &mut self,
        lake: &dyn Lake,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<Sorted<HashEntry>>> {
        let Some(mut kept) = self.list(&*lake.sibling(QUARANTINE), progress, stop).await? else { return Ok(None) };
        let mut missing = self.sorters.told_hashes()?;
        let nothing = self.sorters.told_hashes()?.finish()?;
        let told = std::mem::replace(&mut self.hashes, nothing);
        let (mut last, mut has) = (None, kept.next().transpose()?);
        for entry in told {
            let entry = entry.context("the sorted truth cannot be read back")?;
            if last.replace(entry.hash) == Some(entry.hash) {
                continue; // the same bytes again are the same object
            }
            self.truth[TruthCounter::QuarantinedExpected] += 1;
            while let Some(object) = has.take_if(|object| object.0 < entry.hash) {
                self.truth[TruthCounter::QuarantinedUnknown] += 1;
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
            self.truth[TruthCounter::QuarantinedUnknown] += 1;
            has = skip_same(&mut kept, object)?;
        }
        missing.finish().context(FULL).map(Some)
    }

    /// The hashes in the names of all that is kept.
    async fn list(
        &self,
        quarantine: &dyn Lake,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<Sorted<QuarantinedHash>>> {
        let stage = progress.stage("quarantine", None);
        let (mut sorter, mut after) = (self.sorters.kept()?, None);
        loop {
            if stop.is_cancelled() {
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

/// The next that is another: a message that came on several days is kept once a day.
fn skip_same(kept: &mut Sorted<QuarantinedHash>, object: QuarantinedHash) -> anyhow::Result<Option<QuarantinedHash>> {
    for next in kept {
        let next = next.context("what the quarantine has cannot be read back from disk")?;
        if next.0 != object.0 {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// The hash in `<YYYY>/<MM>/<DD>/<sha256>.json`.
fn hash_of(key: &str) -> Option<[u8; 32]> {
    unhex(key.rsplit('/').next()?.strip_suffix(".json")?)
}
