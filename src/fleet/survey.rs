//! Listing of a lake for a plan: how many objects there are, and how their ids and days are distributed.
//!
//! The objects of one day are in memory at a time, 24 bytes each. For each day, only some buckets of neighbouring ids
//! are kept.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::plan::Listing;
use crate::cancellation::CancellationToken;
use crate::compact::FarmMonth;
use crate::job_range::id_in_place;
use crate::parts::Month;
use crate::progress::Progress;
use crate::request_cost::{self, ClassCounts};
use pipeline::lake::{self, Depth, Key, Lake, Partition, Span, scan_partitions};

/// Number of concurrent listings.
const LISTINGS: usize = 16;
/// Maximum number of buckets per day.
const BUCKETS: usize = 256;

/// Number and size of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub objects: u64,
    pub bytes: u64,
}

impl Size {
    const fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// Objects with neighbouring ids: of complete milliseconds, or of a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub first: u128,
    pub last: u128,
    pub objects: u64,
    pub bytes: u64,
}

impl Bucket {
    /// Returns the bucket of these ids, in ascending order, with the sizes of their objects.
    fn of(ids: &[(u128, u64)]) -> Self {
        let bytes = ids.iter().map(|(_, bytes)| bytes).sum();
        let end = |id: Option<&(u128, u64)>| id.map(|(id, _)| *id).unwrap_or_default();
        Self { first: end(ids.first()), last: end(ids.last()), objects: ids.len() as u64, bytes }
    }

    /// Returns the bucket with the objects of the next one.
    fn with(self, next: Self) -> Self {
        let last = self.last.max(next.last);
        Self { last, objects: self.objects + next.objects, bytes: self.bytes + next.bytes, ..self }
    }
}

/// Distribution of a lake's objects.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Objects with an id of the day of their path, by id.
    buckets: Vec<Bucket>,
    /// All other objects in the paths of days.
    days: BTreeMap<NaiveDate, Size>,
    /// All objects in the paths of days, by the month of a farm.
    months: BTreeMap<FarmMonth, Size>,
    strays: Size,
    pub listing: Listing,
}

/// Objects of a partition.
#[derive(Debug, Default)]
struct Found {
    ids: Vec<(u128, u64)>,
    other: Size,
    classes: BTreeMap<String, ClassCounts>,
    pages: u64,
    readable: u64,
}

impl Survey {
    pub(super) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    pub(super) fn days(&self) -> impl Iterator<Item = (NaiveDate, Size)> {
        self.days.iter().map(|(day, size)| (*day, *size))
    }

    /// Returns the size of a farm's month.
    pub(super) fn of_month(&self, month: &FarmMonth) -> Size {
        self.months.get(month).copied().unwrap_or_default()
    }

    pub(super) const fn strays(&self) -> Size {
        self.strays
    }

    /// Returns the number of objects that are divided by id.
    pub(super) fn in_place(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.objects).sum()
    }

    /// Returns the number of objects that are divided by day.
    pub(super) fn by_day(&self) -> u64 {
        self.days.values().map(|size| size.objects).sum()
    }

    /// Lists the partitions of a span. Returns `None` if it was cancelled.
    ///
    /// # Errors
    /// Returns an error if the lake cannot be listed.
    pub(super) async fn of(
        lake: &dyn Lake,
        span: &Span,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Option<Self>, lake::Error> {
        let Some(found) = cancel.run_until_cancelled(scan_partitions(lake, span)).await.transpose()? else {
            return Ok(None);
        };
        let mut survey = Self::default();
        survey.strays.objects = found.unrecognized.count() + found.unrecognized.folder_markers();
        let (first, last) = (found.partitions.first().map(|p| p.day), found.partitions.last().map(|p| p.day));
        survey.listing.list_requests = request_cost::partition_requests(&found.partitions);
        let (stage, total) = (progress.stage("listing", "objects", None), found.partitions.len().max(1));
        let mut listed = stream::iter(found.partitions)
            .map(|partition| async move { Ok::<_, lake::Error>((list(lake, &partition).await?, partition)) })
            .buffered(LISTINGS);
        let (mut day, mut ids, mut done): (Option<NaiveDate>, Vec<(u128, u64)>, f64) = (None, Vec::new(), 0.0);
        loop {
            let Some(next) = cancel.run_until_cancelled(listed.try_next()).await.transpose()? else { return Ok(None) };
            let Some((found, of)) = next else { break };
            if day.replace(of.day) != Some(of.day) {
                survey.add_ids(std::mem::take(&mut ids));
            }
            done += 1.0;
            stage.add(found.ids.len() as u64 + found.other.objects);
            #[allow(clippy::cast_precision_loss, reason = "a share for the display")]
            stage.set_fraction(done / total as f64);
            ids.extend_from_slice(&found.ids);
            survey.add(of, found);
        }
        survey.add_ids(ids);
        stage.finish();
        survey.finish(first, last);
        Ok(Some(survey))
    }

    fn add(&mut self, partition: Partition, found: Found) {
        self.listing.list_requests += found.pages;
        self.listing.get_requests += found.readable;
        if found.other.objects > 0 {
            self.days.entry(partition.day).or_default().add(found.other);
        }
        let in_place = Size { objects: found.ids.len() as u64, bytes: found.ids.iter().map(|(_, bytes)| bytes).sum() };
        let month = FarmMonth { month: Month::of(partition.day), farm: partition.farm };
        let size = self.months.entry(month).or_default();
        size.add(found.other);
        size.add(in_place);
        request_cost::merge(&mut self.listing.classes, found.classes);
    }

    /// Adds the objects of a day that are divided by id.
    fn add_ids(&mut self, mut ids: Vec<(u128, u64)>) {
        ids.sort_unstable();
        let target = ids.len().div_ceil(BUCKETS).max(1);
        let mut open: Option<Bucket> = None;
        for millis in ids.chunk_by(|one, other| one.0 >> 80 == other.0 >> 80) {
            let is_divided = millis.len() > target;
            let is_full = open.is_some_and(|bucket| bucket.objects as usize + millis.len() > target);
            if is_divided || is_full {
                self.buckets.extend(open.take());
            }
            if is_divided {
                self.buckets.extend(millis.chunks(target).map(Bucket::of));
                continue;
            }
            let more = Bucket::of(millis);
            open = Some(open.map_or(more, |bucket| bucket.with(more)));
        }
        self.buckets.extend(open);
    }

    fn finish(&mut self, first: Option<NaiveDate>, last: Option<NaiveDate>) {
        // A manually copied object may have the same id as another object of its day.
        self.buckets.dedup_by(|next, bucket| {
            let overlaps = next.first <= bucket.last;
            if overlaps {
                *bucket = bucket.with(*next);
            }
            overlaps
        });
        let (by_day, in_place) = (self.by_day(), self.in_place());
        let of_days: u64 = self.days.values().map(|size| size.bytes).sum();
        let of_ids: u64 = self.buckets.iter().map(|bucket| bucket.bytes).sum();
        let listing = &mut self.listing;
        listing.source = "list".to_owned();
        listing.objects = in_place + by_day + self.strays.objects;
        listing.bytes = of_ids + of_days + self.strays.bytes;
        (listing.by_day, listing.strays) = (by_day, self.strays.objects);
        (listing.first_day, listing.last_day) = (first, last);
        // The shards list their objects again.
        let cost = request_cost::in_usd(2 * listing.list_requests, &listing.classes);
        listing.request_cost_usd = format!("{cost:.4}");
    }
}

async fn list(lake: &dyn Lake, partition: &Partition) -> Result<Found, lake::Error> {
    let (mut found, mut after): (Found, Option<String>) = (Found::default(), None);
    loop {
        let page = lake.list(&partition.prefix(), Depth::Recursive, after.as_deref()).await?;
        found.pages += 1;
        for object in page.objects {
            let class = request_cost::count(&mut found.classes, &object);
            class.archived += u64::from(object.archived);
            found.readable += u64::from(!object.archived && Key::parse(&object.key).is_some());
            match id_in_place(&object.key, partition.day) {
                Some(id) => found.ids.push((u128::from_be_bytes(id), object.size)),
                None => {
                    found.other.objects += 1;
                    found.other.bytes += object.size;
                }
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
impl Survey {
    /// Returns the survey of these numbers of objects.
    pub(super) fn of_months(months: BTreeMap<FarmMonth, u64>) -> Self {
        let size = |objects| Size { objects, bytes: objects * 100 };
        Self { months: months.into_iter().map(|(month, objects)| (month, size(objects))).collect(), ..Self::default() }
    }

    /// Returns the survey of these objects: ids, and days with numbers of other objects.
    pub(super) fn of_objects(days: Vec<Vec<u128>>, other: Vec<(NaiveDate, u64)>) -> Self {
        let mut survey = Self::default();
        for ids in days {
            survey.add_ids(ids.into_iter().map(|id| (id, 100)).collect());
        }
        survey.days = other.into_iter().map(|(day, objects)| (day, Size { objects, bytes: objects * 100 })).collect();
        survey.finish(None, None);
        survey
    }
}
