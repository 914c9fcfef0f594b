//! Results of the objects per farm and day.
//!
//! A day counts by the role of a [`Counter`], so a new counter changes nothing here.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::counts::Counter;
use crate::outcome::{Counter as _, Role};

/// Counts by farm and day, sorted in that order.
pub type Days = BTreeMap<(String, NaiveDate), DayCounts>;

/// Results of the objects of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DayCounts {
    /// Objects listed.
    pub listed: u64,
    /// Skipped objects, except for those that are missing.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u64,
    #[serde(flatten)]
    missing: MissingCounts,
}

/// Number of objects by [`Counter::is_missing`]; of the conflicting rows, only those that were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct MissingCounts {
    by_counter: BTreeMap<Counter, u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl DayCounts {
    /// Adds to a counter, as far as a day counts it.
    pub fn add(&mut self, counter: Counter, n: u64) {
        match counter.spec().role {
            Role::Input => self.listed += n,
            _ if counter.is_missing() => self.missing.add(counter, n),
            role if role.is_skipped() => self.skipped += n,
            _ => {}
        }
    }

    /// Returns the number of records that are now in the warehouse with the lake's values.
    pub fn recovered(&self) -> u64 {
        self.listed.saturating_sub(self.missing() + self.skipped)
    }

    /// Returns the number of objects whose records should be in the warehouse with the lake's values, and are not.
    pub fn missing(&self) -> u64 {
        self.missing.by_counter.values().sum()
    }

    /// Returns the counters of the missing objects, in display order, without those that are 0.
    pub fn missing_by_counter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        self.missing.by_counter.iter().map(|(counter, n)| (*counter, *n))
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        self.listed += other.listed;
        self.skipped += other.skipped;
        other.missing_by_counter().for_each(|(counter, n)| self.missing.add(counter, n));
    }
}

impl<const N: usize> From<[(Counter, u64); N]> for DayCounts {
    fn from(counts: [(Counter, u64); N]) -> Self {
        let mut day = Self::default();
        counts.into_iter().for_each(|(counter, n)| day.add(counter, n));
        day
    }
}

impl MissingCounts {
    fn add(&mut self, counter: Counter, n: u64) {
        if n > 0 {
            *self.by_counter.entry(counter).or_default() += n;
        }
    }
}

/// Serializes to a map of counts by the short name of the counter.
impl Serialize for MissingCounts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.by_counter.iter().map(|(counter, n)| (counter.spec().short_name(), n)))
    }
}

/// Deserializes that map; other names are ignored.
impl<'de> Deserialize<'de> for MissingCounts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut missing = Self::default();
        for (name, n) in BTreeMap::<String, serde_json::Value>::deserialize(from)? {
            let counter =
                Counter::ALL.iter().find(|counter| counter.is_missing() && counter.spec().short_name() == name);
            if let Some(counter) = counter {
                let n = n.as_u64().ok_or_else(|| serde::de::Error::custom(format!("{name} is not a count")))?;
                missing.add(*counter, n);
            }
        }
        Ok(missing)
    }
}

/// Serializes the days to a list of objects with farm, day, and number of recovered records.
pub(super) fn serialize<S: Serializer>(days: &Days, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Day<'a> {
        /// Directory of the farm.
        farm: &'a str,
        /// Day of the partition.
        day: NaiveDate,
        /// Records that are in the warehouse with the lake's values.
        recovered: u64,
        #[serde(flatten)]
        counts: &'a DayCounts,
    }
    to.collect_seq(days.iter().map(|((farm, day), counts)| Day {
        farm,
        day: *day,
        recovered: counts.recovered(),
        counts,
    }))
}

/// Deserializes that list; the number of recovered records follows from the counts.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Days, D::Error> {
    #[derive(Deserialize)]
    struct Day {
        farm: String,
        day: NaiveDate,
        #[serde(flatten)]
        counts: DayCounts,
    }
    let days = Vec::<Day>::deserialize(from)?;
    Ok(days.into_iter().map(|Day { farm, day, counts }| ((farm, day), counts)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_every_counter_by_its_role_and_comes_back_from_its_json() {
        let mut day = DayCounts::default();
        for counter in Counter::ALL {
            day.add(*counter, if counter.spec().role == Role::Input { 20 } else { 1 });
        }
        let of = |wanted: fn(&Counter) -> bool| Counter::ALL.iter().filter(|counter| wanted(counter)).count() as u64;
        let skipped = of(|counter| counter.spec().role.is_skipped() && !counter.is_missing());
        assert_eq!((day.listed, day.missing(), day.skipped), (20, of(|counter| counter.is_missing()), skipped));
        assert_eq!(day.recovered(), 20 - day.missing() - skipped);
        let json = serde_json::to_value(&day).unwrap();
        let (own, missing) =
            (["listed", "skipped"], ["conflicting", "rejected", "archived", "unreadable", "not_loaded"]);
        assert!(own.iter().chain(&missing).all(|name| json.get(name).is_some()), "{json}");
        assert!(json.get("inserted").is_none() && json.get("overwritten").is_none(), "{json}");
        assert_eq!(serde_json::from_value::<DayCounts>(json).unwrap(), day);
        let mut twice = day.clone();
        twice.merge(&day);
        assert_eq!((twice.listed, twice.missing()), (40, 2 * day.missing()));
    }

    #[test]
    fn a_day_of_an_earlier_version_is_read() {
        let old = r#"{"farm":"a","listed":5,"rejected":1,"not_loaded":2,"skipped":1,"recovered":1,"encrypted":3}"#;
        let day = serde_json::from_str::<DayCounts>(old).unwrap();
        let counts = [(Counter::Listed, 5), (Counter::Rejected, 1), (Counter::NotLoaded, 2), (Counter::DataRange, 1)];
        assert_eq!(day, DayCounts::from(counts));
        assert!(serde_json::from_str::<DayCounts>(r#"{"listed":5,"rejected":"x"}"#).is_err());
    }
}
