//! What the run was asked to keep to.

use serde::Serialize;

use crate::publish::Outcome;
use crate::render::html::sanitize;

/// A condition and what was measured.
#[derive(Debug, Serialize)]
pub(super) struct Condition {
    text: String,
    measured: String,
    held: bool,
}

/// All of them, those that failed first.
pub(super) fn of(outcome: &Outcome) -> Vec<Condition> {
    let mut verdicts: Vec<_> = outcome.verdicts.iter().collect();
    verdicts.sort_by_key(|verdict| verdict.passed);
    let condition = |verdict: &crate::publish::ConditionResult| Condition {
        text: sanitize::shown(&verdict.text, sanitize::VALUE),
        measured: sanitize::shown(&verdict.measured, sanitize::VALUE),
        held: verdict.passed,
    };
    verdicts.into_iter().map(condition).collect()
}
