//! Division of a listing into shards.
//!
//! Objects with an id in their name, and rows, are divided by id. All other objects are divided by the day of their
//! path. A boundary is between two milliseconds if possible, because ids of one millisecond may have the same natural
//! key. Within a millisecond it is between two hashes.
//!
//! Ids of legacy objects are random: their rows are spread evenly over all ids. They therefore count for the division
//! by id too, but less than an object that must be read.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::shards::{Scope, Shard, ShardMonths};
use super::survey::{Bucket, Size, Survey};
use crate::compact::FarmMonth;
use crate::job_range::{DayLimits, IdLimits, JobRange, ids_of};

/// Weight of an object, relative to a row without its object.
const OBJECT: u64 = 10;
/// The division by day follows that by id if at most one in this number of objects is divided by day.
const FEW: u64 = 100;

/// Size of the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardSize {
    /// At most this number of objects per shard. Only the legacy objects of one day are never divided.
    Objects(u64),
    /// Exactly this number of shards; some may be empty.
    Count(u32),
}

/// Returns the shards of a listing.
pub(super) fn divide(survey: &Survey, size: ShardSize) -> Vec<Shard> {
    let (ids, days) = (survey.in_place(), survey.by_day());
    let follows = days * FEW <= ids + days;
    let all = (ids + days).max(1);
    let cuts_of = |per_shard: u64| {
        // The rows of a few legacy objects do not reduce the size of a shard.
        let of_ids = if follows {
            per_shard.saturating_mul(OBJECT).saturating_add(days)
        } else {
            share(per_shard, ids * OBJECT + days, all)
        };
        let cuts = id_cuts(survey, of_ids);
        let days_of = if follows { Vec::new() } else { day_cuts(survey, share(per_shard, days, all)) };
        (cuts, days_of)
    };
    let (mut ids, mut days, count) = match size {
        ShardSize::Objects(per_shard) => {
            let (ids, days) = cuts_of(per_shard.max(1));
            let count = ids.len().max(days.len()) + 1;
            (ids, days, count)
        }
        ShardSize::Count(count) => {
            let count = count.max(1) as usize;
            let fits = |per_shard: u64| {
                let (ids, days) = cuts_of(per_shard);
                ids.len() < count && days.len() < count
            };
            let (ids, days) = cuts_of(smallest(all, fits));
            (ids, days, count)
        }
    };
    // If a division needs fewer shards than the other, its remaining shards are empty.
    ids.resize(count - 1, ids.last().copied().unwrap_or(u128::MAX - 1));
    if follows {
        days = ids.iter().map(|cut| day_after(*cut)).collect();
    }
    days.resize(count - 1, days.last().copied().unwrap_or(NaiveDate::MAX));
    assemble(survey, &ids, &days)
}

/// Returns the shards of a compaction: complete months, in ascending order.
pub(super) fn divide_months(survey: &Survey, months: Vec<FarmMonth>, size: ShardSize) -> Vec<Shard> {
    let sizes: Vec<Size> = months.iter().map(|month| survey.of_month(month)).collect();
    let (max, count) = match size {
        ShardSize::Objects(max) => (max, 1),
        ShardSize::Count(count) => {
            let all = sizes.iter().map(|size| size.objects).sum();
            (smallest(all, |max| month_cuts(&sizes, max).len() < count as usize), count)
        }
    };
    let cuts = month_cuts(&sizes, max);
    let mut shards: Vec<Shard> = Vec::new();
    let mut months = months.into_iter().zip(sizes).enumerate().peekable();
    for (at, end) in (0..).zip(cuts.into_iter().chain([usize::MAX])) {
        let (mut own, mut shard) = (Vec::new(), Shard::empty(at, Scope::Months(ShardMonths::default())));
        while let Some((_, (month, size))) = months.next_if(|(number, _)| *number < end) {
            own.push(month);
            shard.add(size.objects, size.bytes);
        }
        shard.scope = Scope::Months(ShardMonths { months: own, strays: at == 0 });
        shards.push(shard);
    }
    shards.extend((shards.len() as u32..count).map(|at| Shard::empty(at, Scope::Months(ShardMonths::default()))));
    shards[0].add(survey.strays().objects, survey.strays().bytes);
    shards
}

/// Returns the numbers of the months with which a new shard begins, so that no shard has more than `max` objects or one
/// month.
fn month_cuts(sizes: &[Size], max: u64) -> Vec<usize> {
    let (mut cuts, mut count) = (Vec::new(), 0);
    for (at, size) in sizes.iter().enumerate() {
        if count > 0 && size.objects > 0 && count + size.objects > max {
            cuts.push(at);
            count = 0;
        }
        count += size.objects;
    }
    cuts
}

/// Returns the part of `per_shard` objects that has this weight of all.
fn share(per_shard: u64, weight: u64, all: u64) -> u64 {
    let share = u128::from(per_shard) * u128::from(weight) / u128::from(all);
    u64::try_from(share).unwrap_or(u64::MAX).max(1)
}

/// Returns the smallest number, up to `max`, that fits; larger numbers fit too.
fn smallest(max: u64, fits: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1, max.max(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if fits(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Returns the ids after which a new shard begins, so that no shard has more than `max` weight.
fn id_cuts(survey: &Survey, max: u64) -> Vec<u128> {
    let mut cuts = IdCuts { rows: survey.by_day(), max, cuts: Vec::new(), weight: 0, at: 0 };
    let is_one_millisecond = |one: &Bucket, other: &Bucket| millis_of(one.last) == millis_of(other.first);
    for pieces in survey.buckets().chunk_by(is_one_millisecond) {
        let start = ids_of(millis_of(pieces[0].first)).0;
        cuts.skip_to(start - 1);
        let weight = pieces.iter().map(|piece| cuts.weight_of(piece)).sum::<u64>();
        if cuts.weight > 0 && cuts.weight + weight > max {
            cuts.cut(start - 1);
        }
        for piece in pieces {
            let weight = cuts.weight_of(piece);
            if cuts.weight > 0 && cuts.weight + weight > max {
                cuts.cut(cuts.at); // a millisecond that does not fit into one shard
            }
            cuts.weight += weight;
            cuts.at = piece.last;
        }
    }
    cuts.skip_to(u128::MAX);
    cuts.cuts
}

fn millis_of(id: u128) -> u64 {
    u64::try_from(id >> 80).expect("48 bits")
}

/// Division by id in progress.
struct IdCuts {
    /// Number of rows that are spread over all ids.
    rows: u64,
    max: u64,
    cuts: Vec<u128>,
    /// Weight since the last cut.
    weight: u64,
    /// Last id that is counted.
    at: u128,
}

impl IdCuts {
    /// Counts the rows up to an id before which there are no objects, and cuts between them.
    fn skip_to(&mut self, id: u128) {
        while self.at < id {
            let (rows, free) = (self.rows_between(self.at, id), self.max.saturating_sub(self.weight));
            if rows <= free {
                self.weight += rows;
                break;
            }
            let here = (u128::from(self.rows_up_to(self.at)) + u128::from(free)) << 64;
            let millis = millis_of((here / u128::from(self.rows)) << 64);
            let end = ids_of(millis).1.max(ids_of(millis_of(self.at)).1);
            if end >= id {
                self.weight += rows;
                break;
            }
            self.cut(end);
            self.at = end;
        }
        self.at = self.at.max(id);
    }

    fn cut(&mut self, end: u128) {
        self.cuts.push(end);
        self.weight = 0;
    }

    fn weight_of(&self, bucket: &Bucket) -> u64 {
        bucket.objects * OBJECT + self.rows_between(bucket.first, bucket.last)
    }

    fn rows_between(&self, after: u128, until: u128) -> u64 {
        self.rows_up_to(until) - self.rows_up_to(after)
    }

    fn rows_up_to(&self, id: u128) -> u64 {
        u64::try_from((u128::from(self.rows) * (id >> 64)) >> 64).unwrap_or(u64::MAX)
    }
}

/// Returns the days with which a new shard begins, so that no shard has more than `max` objects or one day.
fn day_cuts(survey: &Survey, max: u64) -> Vec<NaiveDate> {
    let (mut cuts, mut count) = (Vec::new(), 0);
    for (day, size) in survey.days() {
        if count > 0 && count + size.objects > max {
            cuts.push(day);
            count = 0;
        }
        count += size.objects;
    }
    cuts
}

/// Returns the day after the last day of which an id is the first or a later one.
fn day_after(id: u128) -> NaiveDate {
    let at = i64::try_from(id >> 80).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
    at.and_then(|at| at.date_naive().succ_opt()).unwrap_or(NaiveDate::MAX)
}

/// Returns the shards between these cuts, with their objects.
fn assemble(survey: &Survey, ids: &[u128], days: &[NaiveDate]) -> Vec<Shard> {
    let id_ends = ids.iter().map(|id| Some(*id)).chain([None]);
    let day_ends = days.iter().map(|day| Some(*day)).chain([None]);
    let (mut shards, mut before): (Vec<Shard>, (Option<u128>, Option<NaiveDate>)) = (Vec::new(), (None, None));
    let (mut buckets, mut by_day) = (survey.buckets().iter().peekable(), survey.days().peekable());
    for (at, (id_end, day_end)) in (0..).zip(id_ends.zip(day_ends)) {
        let uuid = |id: Option<u128>| id.map(Uuid::from_u128);
        let range = JobRange {
            ids: IdLimits { after: uuid(before.0), until: uuid(id_end) },
            days: DayLimits { from: before.1, before: day_end },
            strays: at == 0,
        };
        let mut shard = Shard::empty(at, Scope::Range(range));
        if at == 0 {
            shard.add(survey.strays().objects, survey.strays().bytes);
        }
        while let Some(bucket) = buckets.next_if(|bucket| id_end.is_none_or(|end| bucket.last <= end)) {
            shard.add(bucket.objects, bucket.bytes);
        }
        while let Some((_, size)) = by_day.next_if(|(day, _)| day_end.is_none_or(|end| *day < end)) {
            shard.add(size.objects, size.bytes);
        }
        shards.push(shard);
        before = (id_end, day_end);
    }
    shards
}

impl Shard {
    const fn empty(shard: u32, scope: Scope) -> Self {
        Self { shard, scope, objects: 0, bytes: 0 }
    }

    fn add(&mut self, objects: u64, bytes: u64) {
        self.objects += objects;
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests;
