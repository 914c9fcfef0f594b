//! The page of a load test: did it hold, at what rate, how long it took, and what went wrong when.
//!
//! The first screen is for whoever asks "does it hold?"; the plots are for who must find out why not.

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
#[cfg(test)]
mod tests;
mod timeline;
mod verdict;

pub(super) const LAYOUT: &str = "publish/page.html.j2";

/// Everything the template lays out.
#[derive(Debug, Serialize)]
struct Publish {
    version: &'static str,
    verdict: Headline,
    conditions: Vec<conditions::Condition>,
    accounts: Vec<Breakdown>,
    counts: Vec<CategoryRow>,
    course: timeline::Timeline,
    latency: latency::Latency,
    errors: Vec<errors::ErrorCount>,
    problems: ProblemList,
    lag: Option<lag::DeliveryLag>,
    dead_letters: Option<String>,
    /// The flag that goes on, where it stopped.
    to_go_on: Option<String>,
    /// How to publish the whole input, where the schedule ended before it.
    to_the_end: Option<String>,
    stopped: bool,
    repeat: ReproduceCommand,
}

impl Page for Outcome {
    const LAYOUT: &'static str = LAYOUT;

    fn page(&self, _: usize) -> impl Serialize {
        Publish {
            version: env!("CARGO_PKG_VERSION"),
            verdict: verdict::of(self),
            conditions: conditions::of(self),
            accounts: vec![categories::account(self)],
            counts: categories::counts(self),
            course: timeline::Timeline::of(self),
            latency: latency::Latency::of(self),
            errors: errors::of(&self.errors),
            problems: ProblemList::of(&self.problems, |_| true),
            lag: self.lag.as_ref().map(lag::DeliveryLag::of),
            dead_letters: self.dead_letters.as_ref().map(|file| super::sanitize::shown(file, super::sanitize::KEY)),
            to_go_on: self.resume_flag(),
            to_the_end: self.to_the_end().map(|how| format!("{}{}.", how[..1].to_uppercase(), &how[1..])),
            stopped: self.end.stopped.is_some(),
            repeat: ReproduceCommand::of(&self.command),
        }
    }
}

/// Plots side by side: of the same time or on the same scale.
type Pair = Vec<Plot>;
