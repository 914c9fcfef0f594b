//! Page of an audit: the comparison of lake and warehouse.

use serde::Serialize;

use super::breakdown::{Breakdown, CategoryRow};
use super::calendar::Calendar;
use super::headline::{Headline, ReproduceCommand};
use super::problem_list::ProblemList;
use super::{Page, numbers, sanitize};
use crate::reconcile::{Counter, Outcome};

mod calendar;
mod findings;
mod gaps;
mod labels;
mod page_head;
mod repair;
mod run_details;
mod shards;
#[cfg(test)]
mod tests;
mod totals;
mod truth;

pub(super) const LAYOUT: &str = "reconcile/page.html.j2";

/// Data for the template.
#[derive(Debug, Serialize)]
struct Audit {
    version: &'static str,
    verdict: Headline,
    counts: Vec<CategoryRow>,
    breakdowns: Vec<Breakdown>,
    calendar: Calendar,
    totals: totals::Totals,
    gaps: gaps::Gaps,
    /// Places and periods in which findings are concentrated, one sentence each.
    patterns: Vec<findings::PatternText>,
    findings: findings::Findings,
    truth: Option<truth::TruthSection>,
    not_checked: Vec<repair::Unchecked>,
    /// Statements that the audit does not prove, one sentence each.
    limitations: Vec<String>,
    about: run_details::RunDetails,
    /// Shards of a merged audit.
    shards: Option<shards::Shards>,
    skipped: ProblemList,
    repair: repair::Repair,
    repeat: ReproduceCommand,
    /// Candidates that were resolved on a recheck; empty if none.
    resolved: String,
}

impl Page for Outcome {
    const LAYOUT: &'static str = LAYOUT;

    fn page(&self, findings_bytes: usize) -> impl Serialize {
        Audit {
            version: env!("CARGO_PKG_VERSION"),
            verdict: page_head::of(self),
            counts: page_head::counts(self),
            breakdowns: page_head::breakdowns(self),
            calendar: calendar::calendar(self),
            totals: totals::Totals::of(self),
            gaps: gaps::Gaps::of(self),
            patterns: findings::patterns(self),
            findings: findings::Findings::of(self, findings_bytes),
            truth: truth::TruthSection::of(self),
            not_checked: repair::not_checked(self),
            limitations: self.limitations().iter().map(|message| sanitize::shown(message, sanitize::VALUE)).collect(),
            about: run_details::RunDetails::of(self),
            shards: shards::Shards::of(self),
            skipped: ProblemList::of(&self.problems, |_| true).merged(!self.run.shards.is_empty()),
            repair: repair::Repair::of(self),
            repeat: ReproduceCommand::of(&self.options.command),
            resolved: match self[Counter::ResolvedOnRecheck] {
                0 => String::new(),
                n => numbers::of(n, "candidate was", "candidates were"),
            },
        }
    }
}
