//! Conditions of the run (`--fail-if`).

use serde::Serialize;

use crate::publish::Outcome;
use crate::render::html::sanitize;

/// Condition with the measured value.
#[derive(Debug, Serialize)]
pub(super) struct Condition {
    condition: String,
    measured: String,
    passed: bool,
}

/// Returns all conditions, those that failed first.
pub(super) fn of(outcome: &Outcome) -> Vec<Condition> {
    let mut verdicts: Vec<_> = outcome.conditions.iter().collect();
    verdicts.sort_by_key(|verdict| verdict.passed);
    let condition = |verdict: &crate::publish::ConditionResult| Condition {
        condition: sanitize::shown(&verdict.condition, sanitize::VALUE),
        measured: sanitize::shown(&verdict.measured, sanitize::VALUE),
        passed: verdict.passed,
    };
    verdicts.into_iter().map(condition).collect()
}
