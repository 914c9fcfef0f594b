//! Days that both sides lack.

use serde::Serialize;

use crate::reconcile::Outcome;
use crate::render::html::{numbers, sanitize};

/// Maximum number of gaps on the page.
const SHOWN: usize = 100;

/// Section of the gaps.
#[derive(Debug, Serialize)]
pub(super) struct Gaps {
    lead: String,
    rows: Vec<Row>,
    more: String,
}

#[derive(Debug, Serialize)]
struct Row {
    farm: String,
    from: String,
    to: String,
    days: String,
}

impl Gaps {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let days: u64 = outcome.gaps.iter().map(|gap| gap.days).sum();
        let (days, gaps) = (numbers::of(days, "day", "days"), numbers::of(outcome.gaps.len() as u64, "gap", "gaps"));
        let row = |gap: &crate::reconcile::Gap| Row {
            farm: sanitize::shown(&gap.farm, sanitize::KEY),
            from: gap.from.to_string(),
            to: gap.to.to_string(),
            days: numbers::count(gap.days),
        };
        let more = match outcome.gaps.len().checked_sub(SHOWN) {
            None | Some(0) => String::new(),
            Some(more) => format!("{} more are in the JSON.", numbers::count(more as u64)),
        };
        Self {
            lead: format!("{days} in {gaps} between days on which the same farm has records."),
            rows: outcome.gaps.iter().take(SHOWN).map(row).collect(),
            more,
        }
    }
}
