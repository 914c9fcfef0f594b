//! Patterns: farms and days in which the findings of a kind or cause are concentrated.
//!
//! | pattern | reported if |
//! | --- | --- |
//! | one farm | at least 90 % of the findings belong to one farm |
//! | one day | at least 90 % belong to one day of `data` |
//! | since, until, between | all belong to days from, up to, or between certain days |
//! | late arrival | at least 90 % of the `lake_only` records were processed within ten minutes before the audit |
//!
//! A pattern must also be significant. If findings were distributed like the compared records, such a concentration
//! would occur in fewer than one of 1,000 audits. The test is the Chernoff bound `exp(−n·KL(q‖p))`, for a fraction `q`
//! of `n` findings in a place with a fraction `p` of the records. For example, an audit of one farm or three findings
//! make no pattern. A single finding is never a pattern, however rare its place is.
//!
//! Findings are grouped by kind, and by cause if a kind has several.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::farm_days::FarmDays;
use super::verdict::DriftKind;

/// Minimum fraction of the findings.
const SHARE: f64 = 0.9;
/// Maximum probability of coincidence.
const CHANCE: f64 = 0.001;

/// Maximum time for a row to get from the lake to the warehouse: the Lambda's retries, and a queue before it.
pub const LATE: TimeDelta = TimeDelta::minutes(10);

/// Number of findings per kind and cause, by farm and day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Place>", into = "Vec<Place>")]
pub struct FindingCounts(BTreeMap<DriftKind, BTreeMap<Option<String>, FindingsByDay>>);

/// Number of findings by farm and day.
type FindingsByDay = BTreeMap<String, BTreeMap<NaiveDate, u64>>;

/// Serialized number of findings of a kind and cause on a farm's day.
#[derive(Serialize, Deserialize)]
struct Place {
    kind: DriftKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    farm: String,
    day: NaiveDate,
    findings: u64,
}

impl From<FindingCounts> for Vec<Place> {
    fn from(places: FindingCounts) -> Self {
        let causes =
            places.0.iter().flat_map(|(kind, causes)| causes.iter().map(move |(cause, found)| (kind, cause, found)));
        let places = causes.flat_map(|(kind, cause, found)| {
            each(found).map(|(farm, day, findings)| Place {
                kind: *kind,
                cause: cause.clone(),
                farm: farm.to_owned(),
                day,
                findings,
            })
        });
        places.collect()
    }
}

impl From<Vec<Place>> for FindingCounts {
    fn from(list: Vec<Place>) -> Self {
        let mut places = Self::default();
        for Place { kind, cause, farm, day, findings } in list {
            let found = places.0.entry(kind).or_default().entry(cause).or_default();
            *found.entry(farm).or_default().entry(day).or_default() += findings;
        }
        places
    }
}

/// Common property of the findings of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// Kind of finding.
    pub kind: DriftKind,
    /// Cause of the findings. `None` if the pattern applies to the complete kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Common property.
    #[serde(flatten)]
    pub shape: PatternKind,
    /// Number of findings of the kind or cause with this property.
    pub findings: u64,
    /// Number of all findings of the kind or cause.
    pub total: u64,
    /// Number of compared ids with this property.
    pub compared: u64,
    /// Number of compared ids without it.
    pub compared_elsewhere: u64,
    /// Number of these findings that also have the pattern `one_farm`; `None` if there is none or this is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also_one_farm: Option<u64>,
}

/// Common properties of findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "pattern")]
pub enum PatternKind {
    /// The findings belong to one farm.
    OneFarm {
        /// Directory of the farm.
        farm: String,
    },
    /// The findings belong to one day of `data`.
    OneDay {
        /// Day of the findings.
        day: NaiveDate,
    },
    /// The findings begin on a day.
    Since {
        /// First day.
        day: NaiveDate,
    },
    /// The findings end on a day.
    Until {
        /// Last day.
        day: NaiveDate,
    },
    /// The findings are between two days.
    Between {
        /// First day.
        from: NaiveDate,
        /// Last day.
        to: NaiveDate,
    },
    /// The records were processed within minutes before the audit started.
    LateArrival,
}

impl FindingCounts {
    /// Adds a finding.
    pub fn take(&mut self, kind: DriftKind, cause: Option<&str>, farm: &str, day: NaiveDate) {
        let found = self.0.entry(kind).or_default().entry(cause.map(str::to_owned)).or_default();
        *found.entry(farm.to_owned()).or_default().entry(day).or_default() += 1;
    }

    /// Adds the findings of another part.
    pub fn merge(&mut self, other: &Self) {
        for (kind, causes) in &other.0 {
            for (cause, found) in causes {
                let mine = self.0.entry(*kind).or_default().entry(cause.clone()).or_default();
                for (farm, day, n) in each(found) {
                    *mine.entry(farm.to_owned()).or_default().entry(day).or_default() += n;
                }
            }
        }
    }

    /// Returns the significant patterns among the findings; `weight` returns the number of records of a farm's day.
    pub fn patterns<T>(&self, days: &FarmDays<T>, weight: impl Fn(&T) -> u64) -> Vec<Pattern> {
        let mut records = Records::default();
        for (farm, day, cell) in days.iter() {
            *records.farms.entry(farm).or_default() += weight(cell);
            *records.days.entry(day).or_default() += weight(cell);
            records.all += weight(cell);
        }
        let mut patterns = Vec::new();
        for (kind, causes) in &self.0 {
            let mut whole = FindingsByDay::new();
            for (farm, day, n) in causes.values().flat_map(each) {
                *whole.entry(farm.to_owned()).or_default().entry(day).or_default() += n;
            }
            let of_kind = records.patterns(*kind, None, &whole);
            let several = causes.len() > 1;
            let of_causes = causes.iter().filter(|(cause, _)| several && cause.is_some());
            let of_causes = of_causes.flat_map(|(cause, found)| records.patterns(*kind, cause.as_ref(), found));
            // A pattern of the complete kind is not repeated for each cause.
            let of_causes: Vec<Pattern> =
                of_causes.filter(|pattern| of_kind.iter().all(|of_kind| of_kind.shape != pattern.shape)).collect();
            patterns.extend(of_kind);
            patterns.extend(of_causes);
        }
        patterns
    }
}

fn each(found: &FindingsByDay) -> impl Iterator<Item = (&str, NaiveDate, u64)> {
    found.iter().flat_map(|(farm, days)| days.iter().map(move |(day, n)| (farm.as_str(), *day, *n)))
}

/// Number of records by farm and day that findings are compared with.
#[derive(Debug, Default)]
struct Records<'a> {
    farms: BTreeMap<&'a str, u64>,
    days: BTreeMap<NaiveDate, u64>,
    all: u64,
}

impl Records<'_> {
    fn patterns(&self, kind: DriftKind, cause: Option<&String>, found: &FindingsByDay) -> Vec<Pattern> {
        let mut by_day = BTreeMap::<NaiveDate, u64>::new();
        each(found).for_each(|(_, day, n)| *by_day.entry(day).or_default() += n);
        let of: u64 = by_day.values().sum();
        let plain = |shape, findings, there: u64| {
            let compared_elsewhere = self.all.saturating_sub(there);
            let pattern = Pattern {
                kind,
                cause: cause.cloned(),
                shape,
                findings,
                total: of,
                compared: there,
                compared_elsewhere,
                also_one_farm: None,
            };
            pattern.is_significant().then_some(pattern)
        };
        let mut patterns = Vec::new();
        let mut one_farm = None;
        if let Some((farm, findings)) = most(found.iter().map(|(farm, days)| (farm, days.values().sum()))) {
            let there = self.farms.get(farm.as_str()).copied().unwrap_or(0);
            patterns.extend(plain(PatternKind::OneFarm { farm: farm.clone() }, findings, there));
            one_farm = (!patterns.is_empty()).then_some(farm);
        }
        let on = |range: RangeInclusive<NaiveDate>| self.days.range(range).map(|(_, n)| n).sum();
        let one_day = most(by_day.iter().map(|(day, n)| (*day, *n)))
            .and_then(|(day, findings)| plain(PatternKind::OneDay { day }, findings, on(day..=day)));
        let (first, last) = (by_day.keys().next().copied(), by_day.keys().next_back().copied());
        if let (None, Some(from), Some(to)) = (&one_day, first, last) {
            let since = plain(PatternKind::Since { day: from }, of, on(from..=NaiveDate::MAX));
            let until = plain(PatternKind::Until { day: to }, of, on(NaiveDate::MIN..=to));
            if since.is_some() && until.is_some() {
                patterns.extend(plain(PatternKind::Between { from, to }, of, on(from..=to)));
            } else {
                patterns.extend(since.or(until));
            }
        }
        patterns.extend(one_day.map(|pattern| {
            let of_both = |farm: &String, day| found.get(farm).and_then(|days| days.get(day)).copied();
            let also_one_farm = match (&pattern.shape, one_farm) {
                (PatternKind::OneDay { day }, Some(farm)) => Some(of_both(farm, day).unwrap_or_default()),
                _ => None,
            };
            Pattern { also_one_farm, ..pattern }
        }));
        patterns
    }
}

/// Returns the first of the largest counts.
fn most<K>(counts: impl Iterator<Item = (K, u64)>) -> Option<(K, u64)> {
    counts.fold(None, |max, next| if max.as_ref().is_some_and(|(_, n)| *n >= next.1) { max } else { Some(next) })
}

impl Pattern {
    /// Returns the late arrival pattern: `lake_only` records from minutes before the audit, compared with all such
    /// records.
    pub fn late(findings: u64, of: u64, [compared, all]: [u64; 2]) -> Option<Self> {
        let compared_elsewhere = all.saturating_sub(compared);
        let (kind, shape) = (DriftKind::LakeOnly, PatternKind::LateArrival);
        let pattern =
            Self { kind, cause: None, shape, findings, total: of, compared, compared_elsewhere, also_one_farm: None };
        (of > 0 && pattern.is_significant()).then_some(pattern)
    }

    #[allow(clippy::cast_precision_loss, reason = "shares")]
    fn share(&self) -> f64 {
        self.findings as f64 / self.total.max(1) as f64
    }

    /// Returns true if the fraction of the findings is large enough, and not a coincidence.
    #[allow(clippy::cast_precision_loss, reason = "shares")]
    fn is_significant(&self) -> bool {
        let share = self.share();
        // Findings without a compared record (such as unreadable objects) count as one record each.
        let there = self.compared.max(self.findings) as f64;
        let place = there / (there + self.compared_elsewhere as f64);
        self.total > 1
            && share >= SHARE
            && share > place
            && (-(self.total as f64) * divergence(share, place)).exp() < CHANCE
    }
}

/// Returns the Kullback-Leibler divergence of two fractions.
fn divergence(share: f64, expected: f64) -> f64 {
    let part = |share: f64, expected: f64| if share == 0.0 { 0.0 } else { share * (share / expected).ln() };
    part(share, expected) + part(1.0 - share, 1.0 - expected)
}

#[cfg(test)]
mod tests;
