//! Gaps that both sides have in common: days of a farm without a record between days with records.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::farm_days::FarmDays;

/// Consecutive days without data of a farm on both sides, with data before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Directory of the farm.
    pub farm: String,
    /// First day without data.
    pub from: NaiveDate,
    /// Last day without data.
    pub to: NaiveDate,
    /// Number of days.
    pub days: u64,
}

/// Returns the gaps between the days on which farms have data.
pub fn gaps<T>(days: &FarmDays<T>, has: impl Fn(&T) -> bool) -> Vec<Gap> {
    let of_farm = |(farm, days): (&str, &BTreeMap<NaiveDate, T>)| {
        let gap = |(before, after): (&NaiveDate, &NaiveDate)| {
            let days = u64::try_from((*after - *before).num_days() - 1).ok().filter(|&days| days > 0)?;
            Some(Gap { farm: farm.to_owned(), from: before.succ_opt()?, to: after.pred_opt()?, days })
        };
        let there = || days.iter().filter(|(_, what)| has(what)).map(|(day, _)| day);
        there().zip(there().skip(1)).filter_map(gap).collect::<Vec<_>>()
    };
    days.farms().flat_map(of_farm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_between_others_of_the_same_farm_are_a_gap() {
        let day = |day| NaiveDate::from_ymd_opt(2024, 2, day).unwrap();
        let has = [("a", 1), ("a", 2), ("a", 4), ("a", 9), ("b", 1), ("c", 20), ("c", 21)];
        let mut days = FarmDays::<u8>::default();
        has.into_iter().for_each(|(farm, n)| *days.of(farm, day(n)) = 1);
        let gap = |from, to, days| Gap { farm: "a".into(), from: day(from), to: day(to), days };
        assert_eq!(gaps(&days, |_| true), [gap(3, 3, 1), gap(5, 8, 4)]);
        *days.of("a", day(4)) = 2;
        assert_eq!(gaps(&days, |n| *n == 1), [gap(3, 8, 6)], "a day without records of its farm does not count");
        days.retain(|n| *n == 0);
        assert_eq!((gaps(&days, |_| true), days.count()), (vec![], 0));
    }
}
