//! Map by farm and day. A lookup does not copy the farm's name, because it happens once per row.

use std::collections::BTreeMap;

use chrono::NaiveDate;

/// Values by farm and day, sorted in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarmDays<T>(BTreeMap<String, BTreeMap<NaiveDate, T>>);

impl<T> Default for FarmDays<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> FarmDays<T> {
    /// Returns the value of a farm's day; inserts the default if it is missing.
    pub fn of(&mut self, farm: &str, day: NaiveDate) -> &mut T
    where
        T: Default,
    {
        if !self.0.contains_key(farm) {
            self.0.insert(farm.to_owned(), BTreeMap::new());
        }
        self.0.get_mut(farm).expect("it was put there").entry(day).or_default()
    }

    /// Returns an iterator over all values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, NaiveDate, &T)> {
        self.farms().flat_map(|(farm, days)| days.iter().map(move |(day, value)| (farm, *day, value)))
    }

    /// Returns an iterator over the farms with their days.
    pub fn farms(&self) -> impl Iterator<Item = (&str, &BTreeMap<NaiveDate, T>)> {
        self.0.iter().map(|(farm, days)| (farm.as_str(), days))
    }

    /// Returns the number of farm-days.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Merges the values of another map, day by day.
    pub fn merge(&mut self, other: &Self, merge: impl Fn(&mut T, &T))
    where
        T: Default,
    {
        other.iter().for_each(|(farm, day, value)| merge(self.of(farm, day), value));
    }

    /// Keeps only the values for which `wanted` returns true.
    pub fn retain(&mut self, wanted: impl Fn(&T) -> bool) {
        self.0.values_mut().for_each(|days| days.retain(|_, value| wanted(value)));
        self.0.retain(|_, days| !days.is_empty());
    }
}
