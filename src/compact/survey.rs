//! Comparison of a part with the listing, without reading objects.
//!
//! The hashes of the days are compared first, which needs only the footer. If one differs, the rows are compared one by
//! one, to count new, changed and deleted objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::listing::{ObjectCategory, PartListing, day_of};
use super::write_error::failed;
use super::{Compaction, Counter, Outcome};
use crate::multiset_hash::MultisetHash;
use crate::parts::{
    Distrust, Footer, Matching, Part, PartName, PartRows, Versions, Wanted, WindowCache, hash_of_object,
};
use crate::reader::Reader;
use pipeline::lake::{Error, ObjectMeta};

/// Result of a survey.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Counts of the listed objects. Objects that a run would read are `Pending`.
    pub tally: Outcome,
    /// Number of rows whose objects no longer exist.
    pub deleted: u64,
    /// Reason why the rows of the part could not be compared. The survey is then one without a part.
    pub distrust: Option<Distrust>,
    /// Hashes of the listed objects that have a row; empty if the rows were compared one by one.
    days: BTreeMap<NaiveDate, MultisetHash>,
}

impl Survey {
    /// Returns true if the part has exactly the objects that can be read.
    pub(super) fn is_unchanged(&self) -> bool {
        self.deleted == 0 && self.tally[Counter::Pending] == 0
    }

    /// Returns true if the objects that can be read now are exactly those of a part with that footer.
    pub(super) fn has_objects_of(&self, footer: &Footer) -> bool {
        let of_part = footer.days.iter().map(|facts| (facts.day, facts.objects));
        of_part.eq(self.days.iter().map(|(day, objects)| (*day, *objects)))
    }

    /// Returns true if no listed object can have a row.
    pub(super) fn is_without_rows(&self) -> bool {
        let counters = [Counter::Pending, Counter::InParts, Counter::Rejected];
        counters.into_iter().all(|counter| self.tally[counter] == 0)
    }
}

/// Compares a listing with a part; `None` if there is none that can be trusted.
pub(super) async fn survey(
    settings: &Compaction,
    reader: &Reader,
    name: &PartName,
    part: Option<&Arc<Part>>,
) -> Result<Survey, Error> {
    let counted = count(settings, reader, name).await?;
    match part {
        Some(part) if counted.has_objects_of(part.footer()) => Ok(confirmed(counted, part)),
        Some(part) => match compare(settings, reader, name, part).await? {
            Ok(compared) => Ok(compared),
            Err(why) => Ok(Survey { distrust: Some(why), ..counted }),
        },
        None => Ok(counted),
    }
}

/// Counts the listed objects, and hashes those of each day that have a row.
async fn count(settings: &Compaction, reader: &Reader, name: &PartName) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let mut listing = PartListing::new(&*settings.lake, name);
    loop {
        let piece = listing.next().await?;
        if piece.is_empty() {
            return Ok(survey);
        }
        for meta in &piece {
            survey.tally[Counter::Listed] += 1;
            let category = ObjectCategory::of(reader, meta);
            category.count(meta, &mut survey.tally);
            if let (ObjectCategory::Row, Some(day)) = (category, day_of(name, meta)) {
                survey.tally[Counter::Pending] += 1;
                survey.tally.object_bytes += meta.size;
                survey.days.entry(day).or_default().insert_hash(hash_of_object(&meta.key, &meta.etag, meta.size));
            }
        }
    }
}

/// Returns the survey of a part that has exactly the listed objects.
fn confirmed(mut survey: Survey, part: &Part) -> Survey {
    let rejected: u64 = part.footer().days.iter().map(|facts| facts.rejected).sum();
    survey.tally[Counter::Pending] = 0;
    survey.tally[Counter::InParts] += part.footer().rows - rejected;
    survey.tally[Counter::Rejected] += rejected;
    survey
}

/// Compares the listed objects with the rows of a part one by one. Returns the reason if the rows cannot be read.
async fn compare(
    settings: &Compaction,
    reader: &Reader,
    name: &PartName,
    part: &Arc<Part>,
) -> Result<Result<Survey, Distrust>, Error> {
    let mut survey = Survey::default();
    if let Err(why) = part.load(part.all_rows(), Wanted::Data).await {
        return Ok(Err(why));
    }
    let rows = PartRows::new(Arc::clone(part), Arc::new(WindowCache::default()), part.all_rows(), Wanted::Data);
    let mut matching = Matching::new(Versions(rows));
    let mut listing = PartListing::new(&*settings.lake, name);
    loop {
        let piece = listing.next().await?;
        if piece.is_empty() {
            break;
        }
        let reader = reader.clone();
        let compared = tokio::task::spawn_blocking(move || {
            let mut tally = Outcome::default();
            piece.iter().for_each(|meta| compare_object(&reader, meta, &mut matching, &mut tally));
            (tally, matching)
        });
        let (tally, rest) = compared.await.map_err(|e| failed(&e))?;
        survey.tally.merge(tally);
        matching = rest;
    }
    let end = tokio::task::spawn_blocking(move || matching.finish()).await.map_err(|e| failed(&e))?;
    survey.deleted = end.0;
    Ok(part.failure().map_or(Ok(survey), Err))
}

fn compare_object(reader: &Reader, meta: &ObjectMeta, matching: &mut Matching<Versions>, tally: &mut Outcome) {
    tally[Counter::Listed] += 1;
    let (category, row) = (ObjectCategory::of(reader, meta), matching.take(meta));
    match (category, row) {
        (ObjectCategory::Row | ObjectCategory::Archived, Some(is_record)) => {
            tally[if is_record { Counter::InParts } else { Counter::Rejected }] += 1;
            tally.object_bytes += meta.size;
        }
        (ObjectCategory::Row, None) => {
            tally[Counter::Pending] += 1;
            tally.object_bytes += meta.size;
        }
        _ => category.count(meta, tally),
    }
}
