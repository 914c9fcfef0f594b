//! Control totals of an audit, by farm and month, and their sum.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::totals::{Store, Totals, hash};
use crate::multiset_hash::MultisetHash;
use pipeline::record::row::Row;

/// Control totals by farm and month. A call of `add` takes several hundred nanoseconds, and happens for every row.
#[derive(Debug, Clone, Default)]
pub struct ControlTotals {
    farms: BTreeMap<String, BTreeMap<Month, Totals>>,
    /// Totals of rows without a farm or day.
    nowhere: Totals,
    bytes: Vec<u8>,
}

/// Month of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Month(i32, u32);

impl ControlTotals {
    /// Adds a row to one side, or to both if they agree.
    pub(super) fn add(&mut self, sides: &[Store], row: &Row, place: Option<(&str, NaiveDate)>) {
        let hash = hash(row, &mut self.bytes);
        let Some((farm, day)) = place else { return self.nowhere.add(sides, row, hash) };
        let month = Month(day.year(), day.month());
        match self.farms.get_mut(farm) {
            Some(months) => months.entry(month).or_default().add(sides, row, hash),
            None => {
                let months = self.farms.entry(farm.to_owned()).or_default();
                months.entry(month).or_default().add(sides, row, hash);
            }
        }
    }

    /// Adds the totals of another part.
    pub(super) fn merge(&mut self, other: &Self) {
        self.nowhere.merge(&other.nowhere);
        for (farm, months) in &other.farms {
            let mine = self.farms.entry(farm.clone()).or_default();
            months.iter().for_each(|(month, totals)| mine.entry(*month).or_default().merge(totals));
        }
    }

    /// Returns the sum of all totals.
    pub fn whole(&self) -> Totals {
        let mut whole = self.nowhere.clone();
        self.farms.values().flat_map(BTreeMap::values).for_each(|totals| whole.merge(totals));
        whole
    }

    /// Returns the hash totals of lake and warehouse.
    pub fn hashes(&self) -> [MultisetHash; 2] {
        let mut hashes = self.nowhere.hashes();
        for totals in self.farms.values().flat_map(BTreeMap::values) {
            hashes.iter_mut().zip(totals.hashes()).for_each(|(mine, theirs)| mine.merge(theirs));
        }
        hashes
    }

    /// Returns the totals of each farm's months (`2024-02`), in order.
    pub fn months(&self) -> impl Iterator<Item = (&str, String, &Totals)> {
        let month = |Month(year, month): &Month| format!("{year:04}-{month:02}");
        self.farms.iter().flat_map(move |(farm, months)| months.iter().map(move |(at, of)| (&**farm, month(at), of)))
    }

    /// Returns the number of farm-months whose hash totals differ, and the number of all farm-months.
    pub fn differing_months(&self) -> [u64; 2] {
        let months = || self.farms.values().flat_map(BTreeMap::values);
        let differ = |totals: &&Totals| totals.hashes()[0] != totals.hashes()[1];
        [months().filter(differ).count() as u64, months().count() as u64]
    }
}

impl Serialize for ControlTotals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry<'a> {
            farm: &'a str,
            month: String,
            hash_totals: HashTotals,
            totals: &'a Totals,
        }
        let months: Vec<_> = self
            .months()
            .map(|(farm, month, totals)| Entry { farm, month, hash_totals: HashTotals::of(totals.hashes()), totals })
            .collect();
        let whole = self.whole();
        let mut control = serializer.serialize_struct("Control", 3)?;
        control.serialize_field("hash_totals", &HashTotals::of(whole.hashes()))?;
        control.serialize_field("totals", &whole)?;
        control.serialize_field("months", &months)?;
        control.end()
    }
}

/// Restores the totals of the months; those of rows without a place are the rest of the sum.
impl<'de> Deserialize<'de> for ControlTotals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Read {
            hash_totals: HashTotals,
            totals: Totals,
            months: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            farm: String,
            month: Month,
            hash_totals: HashTotals,
            totals: Totals,
        }
        let Read { hash_totals, totals: whole, months } = Read::deserialize(deserializer)?;
        let mut control = Self::default();
        for Entry { farm, month, hash_totals, totals } in months {
            let totals = totals.with_hashes(hash_totals.seen().map_err(D::Error::custom)?);
            control.farms.entry(farm).or_default().entry(month).or_default().merge(&totals);
        }
        let whole = whole.with_hashes(hash_totals.seen().map_err(D::Error::custom)?);
        control.nowhere = whole.without(control.farms.values().flat_map(BTreeMap::values));
        Ok(control)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.rsplit_once('-').and_then(|(year, month)| Some(Self(year.parse().ok()?, month.parse().ok()?)));
        parts.ok_or_else(|| D::Error::custom(format!("{text:?} is not a month such as 2024-02")))
    }
}

/// Hash totals of both sides, in JSON.
#[derive(Debug, Serialize, Deserialize)]
struct HashTotals {
    same: bool,
    lake: Hash,
    warehouse: Hash,
}

#[derive(Debug, Serialize, Deserialize)]
struct Hash {
    records: u64,
    xxh3_128: String,
}

impl HashTotals {
    fn of([lake, warehouse]: [MultisetHash; 2]) -> Self {
        let hash = |seen: MultisetHash| Hash { records: seen.count, xxh3_128: seen.hex() };
        Self { same: lake == warehouse, lake: hash(lake), warehouse: hash(warehouse) }
    }

    fn seen(self) -> Result<[MultisetHash; 2], std::num::ParseIntError> {
        let seen = |Hash { records, xxh3_128 }| MultisetHash::try_from((records, xxh3_128));
        Ok([seen(self.lake)?, seen(self.warehouse)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::Column;
    use pipeline::record::row::{TableSchema, Value};
    use testkit::conformance::warehouse::record;

    const BOTH: [Store; 2] = [Store::Lake, Store::Warehouse];

    fn row(n: u32) -> Row {
        record(n).to_row(&TableSchema::standard())
    }

    fn day(n: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + chrono::Days::new(u64::from(n))
    }

    #[test]
    fn the_order_of_adding_changes_nothing_and_months_add_up() {
        let places = |n: u32| (if n.is_multiple_of(2) { "a" } else { "b" }, day(n * 20));
        let mut one = ControlTotals::default();
        (0..20).for_each(|n| one.add(&BOTH, &row(n), Some(places(n))));
        let mut other = ControlTotals::default();
        (0..20).rev().for_each(|n| other.add(&[Store::Warehouse], &row(n), Some(places(n))));
        (0..20).for_each(|n| other.add(&[Store::Lake], &row(n), Some(places(n))));
        let json = |control: &ControlTotals| serde_json::to_string(control).unwrap();
        assert_eq!(json(&one), json(&other));
        assert_eq!(one.differing_months()[0], 0);
        let whole = one.whole();
        let (column, [lake, warehouse]) = whole.columns().next().unwrap();
        assert_eq!((column, lake.count, warehouse.count), (Column::PesoEntrada, 20, 20));
        let months: u64 = one.months().map(|(.., totals)| totals.columns().next().unwrap().1[0].count).sum();
        assert_eq!((months, one.hashes()[0].count), (20, 20));
        assert!(one.months().any(|(farm, month, _)| (farm, &*month) == ("a", "2024-02")));
    }

    #[test]
    fn one_value_of_one_row_changes_the_totals_of_its_month_and_of_all() {
        let mut control = ControlTotals::default();
        for n in 0..10 {
            control.add(&[Store::Lake], &row(n), Some(("a", day(n * 10))));
            let mut stored = row(n);
            if n == 7 {
                stored.0[Column::IdLote.index()] = Value::Text("another".into());
            }
            control.add(&[Store::Warehouse], &stored, Some(("a", day(n * 10))));
        }
        let [lake, warehouse] = control.hashes();
        assert_ne!(lake, warehouse);
        assert_eq!(control.differing_months(), [1, 3]);
        let json = serde_json::to_value(&control).unwrap();
        assert_eq!(json["hash_totals"]["same"], false);
        assert_eq!(json["months"][0]["hash_totals"]["same"], true);
        assert_eq!(json["hash_totals"]["lake"]["records"], 10);
        assert_eq!(json["hash_totals"]["lake"]["xxh3_128"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn rows_without_a_farm_or_day_are_in_the_overall_totals_only() {
        let mut control = ControlTotals::default();
        control.add(&BOTH, &Row::nulls(), None);
        assert_eq!((control.months().count(), control.hashes()[1].count), (0, 1));
        assert_eq!(control.whole().columns().count(), 6, "with counts of none");
    }
}
