//! Conditions of the run (`--fail-if`).

use serde::Serialize;

use crate::publish::Outcome;
use crate::render::html::sanitize;

/// Condition with the measured value.
#[derive(Debug, Serialize)]
pub(super) struct Condition {
    text: String,
    measured: String,
    held: bool,
}

/// Returns all conditions, those that failed first.
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
