//! Something of each farm and day, found by a farm's name without taking a copy of it: once for every row.

use std::collections::BTreeMap;

use chrono::NaiveDate;

/// Values by farm and day, in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarmDays<T>(BTreeMap<String, BTreeMap<NaiveDate, T>>);

impl<T> Default for FarmDays<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> FarmDays<T> {
    /// The value of a farm's day, made where there is none.
    pub fn of(&mut self, farm: &str, day: NaiveDate) -> &mut T
    where
        T: Default,
    {
        if !self.0.contains_key(farm) {
            self.0.insert(farm.to_owned(), BTreeMap::new());
        }
        self.0.get_mut(farm).expect("it was put there").entry(day).or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, NaiveDate, &T)> {
        self.farms().flat_map(|(farm, days)| days.iter().map(move |(day, value)| (farm, *day, value)))
    }

    /// The farms with their days.
    pub fn farms(&self) -> impl Iterator<Item = (&str, &BTreeMap<NaiveDate, T>)> {
        self.0.iter().map(|(farm, days)| (farm.as_str(), days))
    }

    /// How many farm-days there are.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Adds the values of another, day by day.
    pub fn merge(&mut self, other: &Self, merge: impl Fn(&mut T, &T))
    where
        T: Default,
    {
        other.iter().for_each(|(farm, day, value)| merge(self.of(farm, day), value));
    }

    /// Keeps those that are wanted.
    pub fn retain(&mut self, wanted: impl Fn(&T) -> bool) {
        self.0.values_mut().for_each(|days| days.retain(|_, value| wanted(value)));
        self.0.retain(|_, days| !days.is_empty());
    }
}
