//! What the run was asked to keep to.

use serde::Serialize;

use crate::publish::Outcome;
use crate::render::html::text;

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
    verdicts.sort_by_key(|verdict| verdict.held);
    let condition = |verdict: &crate::publish::Verdict| Condition {
        text: text::shown(&verdict.text, text::VALUE),
        measured: text::shown(&verdict.measured, text::VALUE),
        held: verdict.held,
    };
    verdicts.into_iter().map(condition).collect()
}
