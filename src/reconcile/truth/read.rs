//! Reads truth files completely before anything else; an unusable file ends the run at once.

use anyhow::Context as _;

use super::TruthOptions;
use crate::progress::Progress;
use crate::reconcile::outcome::{TruthCounter, TruthResult};
use crate::reconcile::sorters::{FULL, Sorters};
use crate::reconcile::truth_entries::{HashEntry, IdEntry, PackedTruthLocation};
use crate::sort::{OrderedId, Sorted};
use crate::truth::{self, Expectation};
use pipeline::hex::unhex;

/// Maximum number of ids of corrected readings in memory, 16 bytes each; further ones are reported as ordinary
/// findings.
const CORRECTED: usize = 1_000_000;
/// Number of lines per progress update.
const STEP: u64 = 1_000;

/// Ids of corrected readings: each has the same natural key as the reading it corrects.
#[derive(Debug, Clone, Default)]
pub(in crate::reconcile) struct Corrected(Vec<[u8; 16]>);

impl Corrected {
    pub(in crate::reconcile) fn has(&self, id: &OrderedId) -> bool {
        matches!(id, OrderedId::Uuid(bytes) if self.0.binary_search(bytes).is_ok())
    }
}

/// Content of the truth files, in the order of the merge.
pub(in crate::reconcile) struct TruthData {
    pub ids: Sorted<IdEntry>,
    pub(super) hashes: Sorted<HashEntry>,
    pub corrected: Corrected,
    /// Totals of the files, before any result.
    pub(super) truth: TruthResult,
}

/// Reads truth files; returns `None` if none are given.
pub(in crate::reconcile) fn read(
    options: &TruthOptions,
    sorters: &Sorters,
    progress: &Progress,
) -> anyhow::Result<Option<TruthData>> {
    if options.files.is_empty() {
        return Ok(None);
    }
    let stage = progress.stage("truth", "lines", None);
    let (mut ids, mut hashes) = (sorters.truth_ids()?, sorters.truth_hashes()?);
    let (mut truth, mut corrected) = (TruthResult::default(), Vec::new());
    for path in &options.files {
        let shown = path.display().to_string();
        let each = |entry: &truth::Entry<'_>| -> anyhow::Result<()> {
            truth[TruthCounter::Lines] += u64::from(entry.file.is_some());
            if truth[TruthCounter::Lines].is_multiple_of(STEP) {
                stage.add(STEP);
            }
            let at = PackedTruthLocation::of(entry);
            if entry.expect == Expectation::Quarantined {
                let hash = entry.sha256.as_deref().and_then(unhex);
                let hash = hash.context("is to be quarantined, but its sha256 is invalid")?;
                return hashes.push(HashEntry { hash, at }).context(FULL);
            }
            let id = entry.id.context("has no id")?;
            if entry.is_correction() && corrected.len() < CORRECTED {
                corrected.push(id.into_bytes());
            }
            ids.push(IdEntry { id: OrderedId::Uuid(id.into_bytes()), expect: entry.expect, at }).context(FULL)
        };
        let (_, totals) = truth::read_file(path, each).with_context(|| format!("--truth {shown}"))?;
        for (fault, count) in totals.faults {
            *truth.faults.entry(fault).or_default() += count;
        }
        truth.files.push(shown);
    }
    stage.finish();
    corrected.sort_unstable();
    let (ids, hashes) = (ids.finish().context(FULL)?, hashes.finish().context(FULL)?);
    Ok(Some(TruthData { ids, hashes, corrected: Corrected(corrected), truth }))
}
