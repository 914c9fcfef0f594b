//! What is not back, by kind, each with its keys and reasons; and what was left aside.

use super::fate::Fate;
use crate::outcome::Problem;
use crate::render::html::findings::{Group, Room, Sample};
use crate::render::html::listed::Listed;
use crate::render::html::text::{self, KEY, VALUE};
use crate::render::replay::Outcome;

/// What is not back, and what was changed, within so many bytes.
pub(super) fn groups(outcome: &Outcome, bytes: usize) -> (Vec<Group>, Vec<Group>) {
    let occurred = |fate: &Fate| fate.of(outcome) > 0;
    let missing: Vec<Fate> = Fate::MISSING.into_iter().filter(occurred).collect();
    let changed: Vec<Fate> = [Fate::Overwritten].into_iter().filter(occurred).collect();
    let mut room = Room::new(bytes, missing.len() + changed.len());
    let mut group = |fate: Fate| {
        let problems = outcome.problems.kept().iter().filter(|problem| problem.kind == fate.name());
        room.group(fate.name(), &fate.words(), fate.of(outcome), problems.map(sample))
    };
    let missing = missing.into_iter().map(&mut group).collect();
    (missing, changed.into_iter().map(group).collect())
}

fn sample(problem: &Problem) -> Sample {
    let (key, reason) = (text::shown(&problem.place, KEY), text::shown(&problem.reason, VALUE));
    Sample { key, reason, ..Sample::default() }
}

/// Objects left aside, and whatever else was noted.
pub(super) fn aside(outcome: &Outcome) -> Listed {
    let grouped = |kind: &str| kind == Fate::Overwritten.name() || Fate::MISSING.iter().any(|fate| fate.name() == kind);
    Listed::of(&outcome.problems, |kind| !grouped(kind))
}
