//! Tests of the division into shards.

use proptest::prelude::*;

use super::*;
use crate::fleet::shards;

/// 2024-01-01, midnight, in milliseconds.
const START: u64 = 1_704_067_200_000;
const DAY: u64 = 86_400_000;

fn id(millis: u64, hash: u64) -> u128 {
    (u128::from(millis) << 80) | (8 << 76) | (2 << 62) | u128::from(hash)
}

/// Returns ids of the first millisecond of a day, with hashes in random order.
fn day(number: u64, objects: u64) -> Vec<u128> {
    (0..objects).map(|n| id(START + number * DAY, n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2)).collect()
}

fn date(number: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + chrono::Days::new(number)
}

fn sizes(shards: &[Shard]) -> Vec<u64> {
    shards.iter().map(|shard| shard.objects).collect()
}

fn check(shards: &[Shard], survey: &Survey) {
    assert_eq!(shards::parse(&shards::to_lines(shards).unwrap()).unwrap(), shards);
    assert_eq!(sizes(shards).iter().sum::<u64>(), survey.listing.objects);
    assert_eq!(shards.iter().map(|shard| shard.bytes).sum::<u64>(), survey.listing.bytes);
}

#[test]
fn days_that_fit_are_not_divided() {
    let survey = Survey::of_objects((0..40).map(|n| day(n, 100)).collect(), Vec::new());
    let shards = divide(&survey, ShardSize::Objects(250));
    check(&shards, &survey);
    assert_eq!(sizes(&shards), vec![200; 20]);
    let end = shards[0].range().unwrap().ids.until.unwrap().as_u128();
    assert_eq!(end, ids_of(START + 2 * DAY).0 - 1, "the last millisecond before the next day");
    assert_eq!(shards[0].range().unwrap().days.before, Some(date(2)));
}

#[test]
fn a_day_that_does_not_fit_is_divided_by_hash() {
    let survey = Survey::of_objects(vec![day(0, 10), day(1, 2_000), day(2, 10)], Vec::new());
    let shards = divide(&survey, ShardSize::Objects(500));
    check(&shards, &survey);
    assert!(sizes(&shards).iter().all(|objects| *objects <= 500), "{:?}", sizes(&shards));
    assert!(shards.len() <= 7, "{:?}", sizes(&shards));
    assert_eq!(shards[0].objects, 10, "the small day is not joined with a piece of the large one");
}

#[test]
fn a_number_of_shards_is_exact_also_with_fewer_objects() {
    let survey = Survey::of_objects((0..40).map(|n| day(n, 75)).collect(), Vec::new());
    for count in [1, 2, 7, 64, 100] {
        let shards = divide(&survey, ShardSize::Count(count));
        check(&shards, &survey);
        assert_eq!(shards.len(), count as usize);
        let largest = *sizes(&shards).iter().max().unwrap();
        assert!(largest <= (3_000 / u64::from(count) + 75).max(38), "{count}: {:?}", sizes(&shards));
    }
    let empty = Survey::default();
    let shards = divide(&empty, ShardSize::Count(3));
    check(&shards, &empty);
    assert_eq!(sizes(&shards), [0, 0, 0]);
    assert_eq!(divide(&empty, ShardSize::Objects(10)).len(), 1);
}

#[test]
fn objects_and_rows_of_a_legacy_lake_are_divided_separately() {
    let survey = Survey::of_objects(Vec::new(), (0..30).map(|n| (date(n), 1_000)).collect());
    let shards = divide(&survey, ShardSize::Objects(5_000));
    check(&shards, &survey);
    assert!(sizes(&shards).iter().all(|objects| *objects <= 5_000), "{:?}", sizes(&shards));
    // Random ids: each shard has about the same part of them.
    let start =
        |shard: &Shard| shard.range().unwrap().ids.after.map_or(0.0, |id| id.as_u128() as f64 / u128::MAX as f64);
    for (at, shard) in shards.iter().enumerate() {
        let due = at as f64 / shards.len() as f64;
        assert!((start(shard) - due).abs() < 0.1, "{at}: {} {due}", start(shard));
    }
}

#[test]
fn a_mixed_lake_has_even_shards() {
    let new: Vec<_> = (0..30).map(|n| day(n, 500)).collect();
    let survey = Survey::of_objects(new, (0..30).map(|n| (date(n), 500)).collect());
    let shards = divide(&survey, ShardSize::Objects(3_000));
    check(&shards, &survey);
    assert!(sizes(&shards).iter().all(|objects| *objects <= 3_500), "{:?}", sizes(&shards));
    assert!(shards.len() <= 16, "{:?}", sizes(&shards));
}

#[test]
fn a_few_other_names_go_with_the_ids_of_their_day() {
    let survey = Survey::of_objects((0..10).map(|n| day(n, 100)).collect(), vec![(date(3), 1), (date(4), 1)]);
    let shards = divide(&survey, ShardSize::Objects(100));
    check(&shards, &survey);
    assert_eq!(sizes(&shards), [100, 100, 100, 101, 101, 100, 100, 100, 100, 100]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn shards_cover_every_lake_once(
        days in prop::collection::vec((0..400_u64, 0..300_u64, any::<bool>()), 0..30),
        legacy in prop::collection::btree_map(0..60_u64, 1..200_u64, 0..30),
        size in prop_oneof![(1..500_u64).prop_map(ShardSize::Objects), (1..100_u32).prop_map(ShardSize::Count)],
    ) {
        let days = days.iter().enumerate().map(|(number, (objects, more, spread))| {
            let mut ids = day(number as u64, *objects);
            let apart = if *spread { 60_000 } else { 0 };
            ids.extend((0..*more).map(|n| id(START + number as u64 * DAY + n * apart, n)));
            ids
        });
        let survey = Survey::of_objects(days.collect(), legacy.into_iter().map(|(n, size)| (date(n), size)).collect());
        let shards = divide(&survey, size);
        check(&shards, &survey);
        if let ShardSize::Count(count) = size {
            prop_assert_eq!(shards.len(), count as usize);
        }
    }
}

fn month(text: &str, farm: &str) -> FarmMonth {
    FarmMonth { month: text.parse().unwrap(), farm: farm.to_owned() }
}

#[test]
fn months_are_not_divided_and_fill_shards_in_order() {
    let sizes =
        [("2024-01", "a", 60), ("2024-01", "b", 30), ("2024-02", "a", 200), ("2024-02", "b", 0), ("2024-03", "a", 70)];
    let survey = Survey::of_months(sizes.map(|(text, farm, objects)| (month(text, farm), objects)).into());
    let months = || sizes.map(|(text, farm, _)| month(text, farm)).to_vec();
    let shards = divide_months(&survey, months(), ShardSize::Objects(100));
    assert_eq!(shards::parse(&shards::to_lines(&shards).unwrap()).unwrap(), shards);
    assert_eq!(sizes_of_months(&shards), [(2, 90), (2, 200), (1, 70)]);
    for (count, due) in [
        (1, vec![(5, 360)]),
        (2, vec![(2, 90), (3, 270)]),
        (4, vec![(1, 60), (1, 30), (2, 200), (1, 70)]),
        (6, vec![(1, 60), (1, 30), (2, 200), (1, 70), (0, 0), (0, 0)]),
    ] {
        let shards = divide_months(&survey, months(), ShardSize::Count(count));
        assert_eq!(shards::parse(&shards::to_lines(&shards).unwrap()).unwrap(), shards);
        assert_eq!(sizes_of_months(&shards), due);
    }
    let empty = divide_months(&survey, Vec::new(), ShardSize::Objects(100));
    assert_eq!(sizes_of_months(&empty), [(0, 0)], "strays have a shard");
}

fn sizes_of_months(shards: &[Shard]) -> Vec<(usize, u64)> {
    shards.iter().map(|shard| (shard.months().unwrap().months.len(), shard.objects)).collect()
}
