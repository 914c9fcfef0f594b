//! Problems with single inputs: all are counted and logged, and the first ones are stored with their reason.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A problem with one input that did not stop the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `rejected`, `unreadable`, `archived`, `conflicting`, `skipped`, …
    pub kind: Cow<'static, str>,
    /// Key of the object, or file and line.
    #[serde(rename = "key")]
    pub place: String,
    /// The reason.
    pub reason: String,
}

/// The problems of a run: all are counted and logged, and the first 1,000 are stored in the outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Problems {
    /// The first problems.
    items: Vec<Problem>,
    /// Number of further problems, which only the log has (`-v`).
    omitted: u64,
    /// Number of all problems, by kind.
    by_kind: BTreeMap<Cow<'static, str>, u64>,
    /// Number of stored problems, by kind.
    #[serde(skip)]
    kept_by_kind: BTreeMap<Cow<'static, str>, usize>,
    /// True if the first ones by kind, place and reason are stored, and not those that occur first.
    #[serde(skip)]
    is_ordered: bool,
}

/// Its JSON.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    items: Vec<Problem>,
    omitted: u64,
    by_kind: BTreeMap<Cow<'static, str>, u64>,
}

impl From<Written> for Problems {
    fn from(Written { items, omitted, by_kind }: Written) -> Self {
        let mut held = BTreeMap::<_, usize>::new();
        items.iter().for_each(|problem| *held.entry(problem.kind.clone()).or_default() += 1);
        Self { items, omitted, by_kind, kept_by_kind: held, is_ordered: false }
    }
}

impl Problems {
    /// Number of problems stored in the outcome; the log contains all.
    pub const KEPT: usize = 1_000;
    /// Number of problems of each kind that are stored even above that limit, so that no kind hides another.
    const KEPT_OF_A_KIND: usize = 20;

    /// Stores the first problems by kind, place and reason from now on: those stored do not depend on when they occur, or in
    /// which part of a run.
    pub(crate) fn store_in_order(&mut self) {
        self.sort();
        self.is_ordered = true;
    }

    /// Adds a problem and logs it.
    pub fn add(&mut self, kind: &'static str, place: impl Into<String>, reason: impl Into<String>) {
        let problem = Problem { kind: kind.into(), place: place.into(), reason: reason.into() };
        tracing::debug!(target: "problem", kind, key = problem.place, "{}", problem.reason);
        *self.by_kind.entry(problem.kind.clone()).or_default() += 1;
        self.keep(problem);
    }

    /// Adds problems of which only the number is known.
    pub fn add_unnamed(&mut self, kind: &'static str, number: u64) {
        if number > 0 {
            *self.by_kind.entry(kind.into()).or_default() += number;
            self.omitted += number;
        }
    }

    /// Adds the problems of another run, which are logged already.
    pub fn merge(&mut self, other: Self) {
        self.omitted += other.omitted;
        for (kind, more) in other.by_kind {
            *self.by_kind.entry(kind).or_default() += more;
        }
        other.items.into_iter().for_each(|problem| self.keep(problem));
    }

    fn keep(&mut self, problem: Problem) {
        if self.is_ordered {
            return self.keep_first(problem);
        }
        let held = self.kept_by_kind.entry(problem.kind.clone()).or_default();
        if self.items.len() < Self::KEPT || *held < Self::KEPT_OF_A_KIND {
            *held += 1;
            self.items.push(problem);
        } else {
            self.omitted += 1;
        }
    }

    /// Stores a problem at its place in the order, and drops the one that no longer is one of the first.
    fn keep_first(&mut self, problem: Problem) {
        let at = self.items.partition_point(|other| order(other) <= order(&problem));
        let start = self.items.partition_point(|other| other.kind < problem.kind);
        *self.kept_by_kind.entry(problem.kind.clone()).or_default() += 1;
        let of_kind = self.kept_by_kind[&problem.kind];
        self.items.insert(at, problem);
        let in_kind = |at: usize| at - self.items.partition_point(|other| other.kind < self.items[at].kind);
        let past = |at: usize| at < self.items.len() && at >= Self::KEPT && in_kind(at) >= Self::KEPT_OF_A_KIND;
        // The problems of a kind are next to each other, so at most one drops out: the first past the limit, or its kind's.
        let last_of_kind = (of_kind > Self::KEPT_OF_A_KIND).then_some(start + Self::KEPT_OF_A_KIND);
        let dropped = [Some(Self::KEPT), last_of_kind].into_iter().flatten().find(|at| past(*at));
        if let Some(at) = dropped {
            let Problem { kind, .. } = self.items.remove(at);
            self.omitted += 1;
            *self.kept_by_kind.entry(kind).or_default() -= 1;
        }
    }

    /// Sorts the stored problems, for an order independent of when they were found.
    pub(crate) fn sort(&mut self) {
        self.items.sort_by(|a, b| order(a).cmp(&order(b)));
    }

    /// Returns the stored problems.
    pub fn items(&self) -> &[Problem] {
        &self.items
    }

    /// Returns the number of problems that were not stored.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Returns the number of problems of a kind.
    pub fn of(&self, kind: &str) -> u64 {
        self.by_kind.get(kind).copied().unwrap_or(0)
    }

    /// Returns the number of problems of the kinds for which `wanted` returns true.
    pub(crate) fn count(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        self.by_kind.iter().filter(|(kind, _)| wanted(kind)).map(|(_, n)| n).sum()
    }
}

/// Returns the place of a problem in the order.
fn order(problem: &Problem) -> (&str, &str, &str) {
    (&problem.kind, &problem.place, &problem.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_of_problem_hides_another() {
        let mut problems = Problems::default();
        (0..5_000).for_each(|n| problems.add("archived", n.to_string(), "why"));
        (0..30).for_each(|n| problems.add("rejected", n.to_string(), "why"));
        assert_eq!(problems.items().iter().filter(|p| p.kind == "rejected").count(), 20);
        assert_eq!((problems.of("archived"), problems.of("rejected"), problems.of("none")), (5_000, 30, 0));
        assert!(problems.to_string().contains("5,010 more"), "{problems}");
    }

    #[test]
    fn the_stored_ones_depend_neither_on_their_order_nor_on_the_parts_of_a_run() {
        const KINDS: [&str; 4] = ["archived", "rejected", "skipped", "unreadable"];
        for (count, kinds) in [(900, 4), (3_000, 4), (3_000, 1), (1_100, 3)] {
            let add = |problems: &mut Problems, n: u32| {
                // Half of them are of one kind.
                let kind = KINDS[if n.is_multiple_of(2) { 2 % kinds } else { n as usize % kinds }];
                problems.add(kind, format!("{n:04}"), "why");
            };
            let ordered = || {
                let mut problems = Problems::default();
                problems.store_in_order();
                problems
            };
            let mut whole = ordered();
            (0..count).for_each(|n| add(&mut whole, n));
            let mut backwards = ordered();
            (0..count).rev().for_each(|n| add(&mut backwards, n));
            let mut merged = ordered();
            for part in [2, 0, 1] {
                let mut problems = ordered();
                (0..count).filter(|n| (n * 7 + n / 50) % 3 == part).for_each(|n| add(&mut problems, n));
                merged.merge(serde_json::from_value(serde_json::to_value(&problems).unwrap()).unwrap());
            }
            let json = |problems: &Problems| serde_json::to_string(problems).unwrap();
            assert_eq!(json(&backwards), json(&whole), "{count} of {kinds} kinds");
            assert_eq!(json(&merged), json(&whole), "{count} of {kinds} kinds");
            let kept = whole.items().len();
            assert!(kept as u64 + whole.omitted() == u64::from(count) && kept <= Problems::KEPT + 3 * 20, "{kept}");
            // The first of all, and the first of each kind.
            let first: Vec<_> = whole.items().iter().take(Problems::KEPT).collect();
            assert!(
                first.is_sorted_by_key(|problem| order(problem)) && first.len() == Problems::KEPT.min(count as usize)
            );
            assert!(
                KINDS[..kinds].iter().all(|kind| whole.of(kind) == 0 || whole.items().iter().any(|p| p.kind == *kind))
            );
        }
    }

    #[test]
    fn problems_read_from_json_contain_no_more_than_before() {
        let mut problems = Problems::default();
        (0..1_500).for_each(|n| problems.add("archived", n.to_string(), "why"));
        let json = serde_json::to_string(&problems).unwrap();
        let mut back: Problems = serde_json::from_str(&json).unwrap();
        for problems in [&mut problems, &mut back] {
            (0..40).for_each(|n| problems.add("rejected", n.to_string(), "why"));
            problems.merge(serde_json::from_str(&json).unwrap());
        }
        assert_eq!(serde_json::to_string(&back).unwrap(), serde_json::to_string(&problems).unwrap());
        assert_eq!((back.items().len(), back.of("archived")), (1_020, 3_000));
    }
}
