//! Where findings concentrate, and since when, where that is plain.
//!
//! | pattern | plain when |
//! | --- | --- |
//! | one farm | at least 90 % of the findings are of one farm |
//! | one day | at least 90 % are of one day of `data` |
//! | since, until, between | all are of days from one on, up to one, or both |
//! | late arrival | at least 90 % of what only the lake has was processed within ten minutes before the audit |
//!
//! and when chance does not explain it: had findings been spread as the compared records are, that much would come
//! together in fewer than one of a thousand audits (Chernoff's bound, `exp(−n·KL(q‖p))` for a share `q` of `n` findings in
//! a place with a share `p` of the records). A single farm is therefore no pattern of itself, nor are three findings.
//!
//! Findings of a kind are looked at together, and those of each cause by themselves where a kind has several.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::farm_days::FarmDays;
use super::verdict::DriftKind;

/// The least share of the findings.
const SHARE: f64 = 0.9;
/// The greatest chance of coincidence.
const CHANCE: f64 = 0.001;

/// So long a row may take from the lake to the warehouse: the Lambda's retries and a queue before it.
pub const LATE: TimeDelta = TimeDelta::minutes(10);

/// Findings of each kind and cause by farm and day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingCounts(BTreeMap<DriftKind, BTreeMap<Option<String>, FindingsByDay>>);

/// Findings by farm and day.
type FindingsByDay = BTreeMap<String, BTreeMap<NaiveDate, u64>>;

/// What the findings of a kind have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// The kind of finding.
    pub kind: DriftKind,
    /// What explains them, where the pattern is one of a cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What they have in common.
    #[serde(flatten)]
    pub shape: PatternKind,
    /// Findings of the kind, or of the cause, that have it.
    pub findings: u64,
    /// Findings of the kind, or of the cause.
    pub of: u64,
    /// Ids compared there.
    pub compared: u64,
    /// Ids compared elsewhere.
    pub compared_elsewhere: u64,
}

/// What findings can have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "pattern")]
pub enum PatternKind {
    /// A farm.
    OneFarm {
        /// Its folder.
        farm: String,
    },
    /// A day of `data`.
    OneDay {
        /// The day.
        day: NaiveDate,
    },
    /// The days from one on.
    Since {
        /// The first of them.
        day: NaiveDate,
    },
    /// The days up to one.
    Until {
        /// The last of them.
        day: NaiveDate,
    },
    /// The days from one to another.
    Between {
        /// The first of them.
        from: NaiveDate,
        /// The last of them.
        to: NaiveDate,
    },
    /// Processed within minutes before the audit began.
    LateArrival,
}

impl FindingCounts {
    /// Takes a finding.
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

    /// The plain patterns of findings among records that lie on `farm_days`: as many as `weight` says of each.
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
            // What is true of all findings of the kind is not said again of each cause.
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

/// The records among which findings are.
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
            let pattern =
                Pattern { kind, cause: cause.cloned(), shape, findings, of, compared: there, compared_elsewhere };
            pattern.is_significant().then_some(pattern)
        };
        let mut patterns = Vec::new();
        if let Some((farm, findings)) = most(found.iter().map(|(farm, days)| (farm, days.values().sum()))) {
            let there = self.farms.get(farm.as_str()).copied().unwrap_or(0);
            patterns.extend(plain(PatternKind::OneFarm { farm: farm.clone() }, findings, there));
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
        patterns.extend(one_day);
        patterns
    }
}

/// The first of the greatest.
fn most<K>(counts: impl Iterator<Item = (K, u64)>) -> Option<(K, u64)> {
    counts.fold(None, |max, next| if max.as_ref().is_some_and(|(_, n)| *n >= next.1) { max } else { Some(next) })
}

impl Pattern {
    /// What only the lake has and came within minutes of the audit, among all records that came then and before.
    pub fn late(findings: u64, of: u64, [compared, all]: [u64; 2]) -> Option<Self> {
        let compared_elsewhere = all.saturating_sub(compared);
        let (kind, shape) = (DriftKind::LakeOnly, PatternKind::LateArrival);
        let pattern = Self { kind, cause: None, shape, findings, of, compared, compared_elsewhere };
        (of > 0 && pattern.is_significant()).then_some(pattern)
    }

    #[allow(clippy::cast_precision_loss, reason = "shares")]
    fn share(&self) -> f64 {
        self.findings as f64 / self.of.max(1) as f64
    }

    /// Whether enough of the findings have it, and not by chance.
    #[allow(clippy::cast_precision_loss, reason = "shares")]
    fn is_significant(&self) -> bool {
        let share = self.share();
        // Findings without records among them, as objects that cannot be read are: one record each.
        let there = self.compared.max(self.findings) as f64;
        let place = there / (there + self.compared_elsewhere as f64);
        share >= SHARE && share > place && (-(self.of as f64) * divergence(share, place)).exp() < CHANCE
    }
}

/// Kullback and Leibler's divergence of two shares.
fn divergence(share: f64, expected: f64) -> f64 {
    let part = |share: f64, expected: f64| if share == 0.0 { 0.0 } else { share * (share / expected).ln() };
    part(share, expected) + part(1.0 - share, 1.0 - expected)
}

#[cfg(test)]
mod tests;
