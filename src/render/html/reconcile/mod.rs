//! The audit's page: lake against warehouse.

use serde::Serialize;

use super::account::{Account, Count};
use super::calendar::Calendar;
use super::head::{Repeat, Verdict};
use super::listed::Listed;
use super::{Page, numbers, text};
use crate::reconcile::{Counter, Outcome};

mod about;
mod days;
mod findings;
mod gaps;
#[cfg(test)]
mod tests;
mod totals;
mod truth;
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
    gaps: gaps::Gaps,
    /// Where findings concentrate, and since when: a sentence each.
    patterns: Vec<findings::Said>,
    findings: findings::Findings,
    truth: Option<truth::Proof>,
    unchecked: Vec<upkeep::Unchecked>,
    /// What the audit does not prove: a sentence each.
    not_proved: Vec<String>,
    about: about::About,
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
            gaps: gaps::Gaps::of(self),
            patterns: findings::patterns(self),
            findings: findings::Findings::of(self, findings_bytes),
            truth: truth::Proof::of(self),
            unchecked: upkeep::unchecked(self),
            not_proved: self.not_proved().iter().map(|said| text::shown(said, text::VALUE)).collect(),
            about: about::About::of(self),
            aside: Listed::of(&self.problems, |_| true),
            repair: upkeep::Repair::of(self),
            repeat: Repeat::of(&self.asked.command),
            settled: match self[Counter::Settled] {
                0 => String::new(),
                n => numbers::of(n, "suspicion was", "suspicions were"),
            },
        }
    }
}
