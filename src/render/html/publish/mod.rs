//! Page of a load test: whether it passed, at what rate, the latencies, and when problems occurred.
//!
//! The first screen shows if the system kept up; the plots help to find out why not.

use serde::Serialize;

use super::Page;
use super::breakdown::{Breakdown, CategoryRow};
use super::headline::{Headline, ReproduceCommand};
use super::plot::Plot;
use super::problem_list::ProblemList;
use crate::publish::Outcome;

mod categories;
mod conditions;
mod errors;
mod lag;
mod latency;
mod page_head;
#[cfg(test)]
mod tests;
mod timeline;

pub(super) const LAYOUT: &str = "publish/page.html.j2";

/// Data for the template.
#[derive(Debug, Serialize)]
struct Publish {
    version: &'static str,
    verdict: Headline,
    conditions: Vec<conditions::Condition>,
    breakdowns: Vec<Breakdown>,
    counts: Vec<CategoryRow>,
    timeline: timeline::Timeline,
    latency: latency::Latency,
    errors: Vec<errors::ErrorCount>,
    problems: ProblemList,
    /// Messages that the in-process intake quarantined, or whose row differs.
    intake_problems: ProblemList,
    /// Address of the quarantine. `None` if the topic is not local.
    quarantine: Option<String>,
    lag: Option<lag::DeliveryLag>,
    dead_letters: Option<String>,
    /// Flag that continues a stopped run. `None` if it did not stop.
    resume_flag: Option<String>,
    /// How to publish the complete input. `None` if the schedule did not end first.
    to_the_end: Option<String>,
    stopped: bool,
    repeat: ReproduceCommand,
}

impl Page for Outcome {
    const LAYOUT: &'static str = LAYOUT;

    fn page(&self, _: usize) -> impl Serialize {
        Publish {
            version: env!("CARGO_PKG_VERSION"),
            verdict: page_head::of(self),
            conditions: conditions::of(self),
            breakdowns: std::iter::once(categories::breakdown(self)).chain(categories::deliveries(self)).collect(),
            counts: categories::counts(self),
            timeline: timeline::Timeline::of(self),
            latency: latency::Latency::of(self),
            errors: errors::of(&self.errors),
            problems: ProblemList::of(&self.problems, |kind| !is_of_intake(kind)),
            intake_problems: ProblemList::of(&self.problems, is_of_intake),
            quarantine: self
                .local
                .as_ref()
                .map(|local| super::sanitize::shown(&local.quarantine, super::sanitize::KEY)),
            lag: self.lag.as_ref().map(lag::DeliveryLag::of),
            dead_letters: self.dead_letters.as_ref().map(|file| super::sanitize::shown(file, super::sanitize::KEY)),
            resume_flag: self.resume_flag(),
            to_the_end: self.to_the_end().map(|how| format!("{}{}.", how[..1].to_uppercase(), &how[1..])),
            stopped: self.end.stopped.is_some(),
            repeat: ReproduceCommand::of(&self.command),
        }
    }
}

/// Returns true for the kinds of problems that the in-process intake reports.
fn is_of_intake(kind: &str) -> bool {
    matches!(kind, "conflicting" | "refused" | "quarantined" | "unverifiable")
}

/// Plots next to each other, with the same time axis or scale.
type Pair = Vec<Plot>;
