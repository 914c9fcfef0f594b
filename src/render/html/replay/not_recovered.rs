//! Objects that were not recovered, by kind, with keys and reasons; and skipped objects.

use super::category::ObjectCategory;
use crate::outcome::Problem;
use crate::render::html::findings::{KindSection, Sample, SizeBudget};
use crate::render::html::problem_list::ProblemList;
use crate::render::html::sanitize::{self, KEY, VALUE};
use crate::replay::{Counter, Outcome};

const OVERWRITTEN: ObjectCategory = ObjectCategory::Own(Counter::Overwritten);

/// Returns the kinds of missing records and of changes, within a number of bytes.
pub(super) fn groups(outcome: &Outcome, bytes: usize) -> (Vec<KindSection>, Vec<KindSection>) {
    let occurred = |category: &ObjectCategory| category.of(outcome) > 0;
    let missing: Vec<_> = ObjectCategory::missing().into_iter().filter(occurred).collect();
    let changed: Vec<_> = [OVERWRITTEN].into_iter().filter(occurred).collect();
    let mut budget = SizeBudget::new(bytes, missing.len() + changed.len());
    let mut group = |category: ObjectCategory| {
        let problems = outcome.problems.items().iter().filter(|problem| problem.kind == category.name());
        budget.group(category.name(), &category.words_in(outcome), category.of(outcome), problems.map(sample))
    };
    let missing = missing.into_iter().map(&mut group).collect();
    (missing, changed.into_iter().map(group).collect())
}

fn sample(problem: &Problem) -> Sample {
    let (key, reason) = (sanitize::shown(&problem.place, KEY), sanitize::shown(&problem.reason, VALUE));
    Sample { key, reason, ..Sample::default() }
}

/// Returns the skipped objects, and other notes.
pub(super) fn skipped(outcome: &Outcome) -> ProblemList {
    let sections: Vec<_> =
        ObjectCategory::missing().into_iter().chain([OVERWRITTEN]).map(ObjectCategory::name).collect();
    let grouped = |kind: &str| sections.contains(&kind);
    ProblemList::of(&outcome.problems, |kind| !grouped(kind)).merged(outcome.shards.is_some())
}
