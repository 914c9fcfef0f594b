//! Tests each pattern at its threshold, and with values just below it.

use super::*;

fn day(n: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + chrono::Days::new(n)
}

/// Returns 10 farms with 100 records on each of 10 days.
fn records() -> FarmDays<u64> {
    let mut days = FarmDays::default();
    for (farm, at) in (0..10).flat_map(|farm| (0..10).map(move |at| (farm, at))) {
        *days.of(&format!("farm_{farm}"), day(at)) = 100;
    }
    days
}

fn found(places: impl IntoIterator<Item = (u64, u64)>) -> Vec<PatternKind> {
    let mut all = FindingCounts::default();
    places.into_iter().for_each(|(farm, at)| all.take(DriftKind::Differing, None, &format!("farm_{farm}"), day(at)));
    all.patterns(&records(), |n| *n).into_iter().map(|pattern| pattern.shape).collect()
}

fn farm(n: u64) -> PatternKind {
    PatternKind::OneFarm { farm: format!("farm_{n}") }
}

#[test]
fn one_farm_is_significant_from_nine_of_ten_on() {
    let with = |others: u64| found((0..18).map(|n| (3, n % 10)).chain((0..others).map(|n| (n + 4, n * 3))));
    assert_eq!(with(0), [farm(3)]);
    assert_eq!(with(2), [farm(3)], "18 of 20");
    assert_eq!(with(3), [], "18 of 21");
}

#[test]
fn one_day_is_significant_and_since_is_not_reported_with_it() {
    assert_eq!(found((0..10).map(|farm| (farm, 4))), [PatternKind::OneDay { day: day(4) }]);
    assert_eq!(found((0..7).map(|farm| (farm, 4)).chain((0..3).map(|farm| (farm, 2 + farm * 3)))), []);
}

#[test]
fn since_and_until_need_days_before_and_after() {
    let spread = |from: u64, to: u64, n: u64| found((0..n).map(|at| (at % 10, from + at * 7 % (to - from))));
    assert_eq!(spread(5, 10, 20), [PatternKind::Since { day: day(5) }]);
    assert_eq!(spread(0, 5, 20), [PatternKind::Until { day: day(4) }]);
    assert_eq!(spread(0, 10, 30), []);
}

/// Half of the records are on the sixth day or later: 0.5⁹ is more than 1/1000, 0.5¹⁰ is less.
#[test]
fn what_chance_explains_is_no_pattern() {
    let since = |n: u64| found((0..n).map(|at| (at, 5 + at % 5)));
    assert_eq!((since(9), since(10)), (vec![], vec![PatternKind::Since { day: day(5) }]));
    assert_eq!(found([(1, 1), (1, 2)]), [], "a hundredth is not rare enough");
    assert_eq!(found([(1, 1), (1, 2), (1, 5), (1, 8)]), [farm(1)]);
}

#[test]
fn an_audit_of_one_farm_and_day_has_no_pattern() {
    let mut days = FarmDays::default();
    *days.of("a", day(1)) = 1_000_u64;
    let mut places = FindingCounts::default();
    (0..900).for_each(|_| places.take(DriftKind::LakeOnly, None, "a", day(1)));
    assert_eq!(places.patterns(&days, |n| *n), []);
}

#[test]
fn a_single_finding_is_no_pattern_in_the_rarest_place() {
    let mut days = records();
    *days.of("small", day(3)) = 1;
    let patterns = |findings: u64| {
        let mut places = FindingCounts::default();
        (0..findings).for_each(|_| places.take(DriftKind::LakeOnly, None, "small", day(3)));
        places.patterns(&days, |n| *n).len()
    };
    assert_eq!((patterns(1), patterns(2)), (0, 1));
    let late = |findings| Pattern::late(findings, findings, [1, 1_000_000]);
    assert!(late(1).is_none() && late(2).is_some());
}

#[test]
fn late_arrival_needs_nine_of_ten_and_records_that_came_before() {
    let late = |findings, of| Pattern::late(findings, of, [20, 1_000]);
    assert!(late(18, 20).is_some() && late(17, 20).is_none() && late(0, 0).is_none());
    assert!(Pattern::late(20, 20, [1_000, 1_000]).is_none(), "all of it came within minutes");
    let found = late(9, 10).unwrap().text(&[]);
    assert!(found.starts_with("lake only: 9 of 10 were processed within ten minutes before the audit"), "{found}");
}

#[test]
fn between_is_both_and_a_cause_has_its_own() {
    let mut places = FindingCounts::default();
    (0..20).for_each(|n| places.take(DriftKind::Differing, Some("shift"), "farm_1", day(4 + n % 2)));
    (0..20).for_each(|n| places.take(DriftKind::Differing, None, &format!("farm_{}", n % 10), day(n / 2)));
    let found: Vec<_> = places.patterns(&records(), |n| *n).into_iter().map(|p| (p.cause, p.shape)).collect();
    let of = |shape| (Some("shift".to_owned()), shape);
    assert_eq!(found, [of(farm(1)), of(PatternKind::Between { from: day(4), to: day(5) })]);
    let mut alone = FindingCounts::default();
    (0..20).for_each(|n| alone.take(DriftKind::Differing, Some("shift"), "farm_1", day(4 + n % 2)));
    let found = alone.patterns(&records(), |n| *n);
    assert!(found.len() == 2 && found.iter().all(|p| p.cause.is_none()), "one cause is the kind's: {found:?}");
}

#[test]
fn a_pattern_is_a_sentence() {
    let mut places = FindingCounts::default();
    (0..20).for_each(|n| places.take(DriftKind::WarehouseOnly, None, "farm_1", day(n % 10)));
    let patterns = places.patterns(&records(), |n| *n);
    assert_eq!(
        patterns[0].text(&patterns),
        "warehouse only: all 20 are in farm_1, a farm with 10.0 % of the compared ids"
    );
    let json = serde_json::to_value(&patterns[0]).unwrap();
    assert_eq!(
        (&json["pattern"], &json["farm"], &json["kind"]),
        (&"one_farm".into(), &"farm_1".into(), &"warehouse_only".into())
    );
}
