//! The audit's page: lake against warehouse.

use serde::Serialize;

use super::account::{Account, Count};
use super::calendar::Calendar;
use super::head::{Repeat, Verdict};
use super::listed::Listed;
use super::{Page, numbers};
use crate::report::reconcile::Outcome;

mod days;
mod findings;
#[cfg(test)]
mod tests;
mod totals;
mod upkeep;
mod verdict;
mod words;

pub(super) const LAYOUT: &str = "reconcile/page.html.j2";

/// Everything the template lays out.
#[derive(Debug, Serialize)]
struct Audit {
    version: &'static str,
    verdict: Verdict,
    counts: Vec<Count>,
    accounts: Vec<Account>,
    calendar: Calendar,
    totals: totals::Totals,
    findings: findings::Findings,
    unchecked: Vec<upkeep::Unchecked>,
    aside: Listed,
    repair: upkeep::Repair,
    repeat: Repeat,
    /// Suspicions that a second look settled; empty if none.
    settled: String,
}

impl Page for Outcome {
    const LAYOUT: &'static str = LAYOUT;

    fn page(&self, findings_bytes: usize) -> impl Serialize {
        Audit {
            version: env!("CARGO_PKG_VERSION"),
            verdict: verdict::of(self),
            counts: verdict::counts(self),
            accounts: verdict::accounts(self),
            calendar: days::calendar(self),
            totals: totals::Totals::of(self),
            findings: findings::Findings::of(self, findings_bytes),
            unchecked: upkeep::unchecked(self),
            aside: Listed::of(&self.problems, |_| true),
            repair: upkeep::Repair::of(self),
            repeat: Repeat::of(&self.asked.command),
            settled: match self.settled {
                0 => String::new(),
                n => numbers::of(n, "suspicion was", "suspicions were"),
            },
        }
    }
}
