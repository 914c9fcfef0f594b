//! The page of a load test: did it hold, at what rate, how long it took, and what went wrong when.
//!
//! The first screen is for whoever asks "does it hold?"; the plots are for who must find out why not.

use serde::Serialize;

use super::Page;
use super::account::{Account, Count};
use super::head::{Repeat, Verdict};
use super::listed::Listed;
use super::plot::Plot;
use crate::publish::Outcome;

mod conditions;
mod course;
mod errors;
mod fate;
mod lag;
mod latency;
#[cfg(test)]
mod tests;
mod verdict;

pub(super) const LAYOUT: &str = "publish/page.html.j2";

/// Everything the template lays out.
#[derive(Debug, Serialize)]
struct Publish {
    version: &'static str,
    verdict: Verdict,
    conditions: Vec<conditions::Condition>,
    accounts: Vec<Account>,
    counts: Vec<Count>,
    course: course::Course,
    latency: latency::Latency,
    errors: Vec<errors::Refused>,
    problems: Listed,
    lag: Option<lag::Arrivals>,
    dead_letters: Option<String>,
    /// The flag that goes on, where it stopped.
    to_go_on: Option<String>,
    /// How to publish the whole input, where the schedule ended before it.
    to_the_end: Option<String>,
    stopped: bool,
    repeat: Repeat,
}

impl Page for Outcome {
    const LAYOUT: &'static str = LAYOUT;

    fn page(&self, _: usize) -> impl Serialize {
        Publish {
            version: env!("CARGO_PKG_VERSION"),
            verdict: verdict::of(self),
            conditions: conditions::of(self),
            accounts: vec![fate::account(self)],
            counts: fate::counts(self),
            course: course::Course::of(self),
            latency: latency::Latency::of(self),
            errors: errors::of(&self.errors),
            problems: Listed::of(&self.problems, |_| true),
            lag: self.lag.as_ref().map(lag::Arrivals::of),
            dead_letters: self.dead_letters.as_ref().map(|file| super::text::shown(file, super::text::KEY)),
            to_go_on: self.to_go_on(),
            to_the_end: self.to_the_end().map(|how| format!("{}{}.", how[..1].to_uppercase(), &how[1..])),
            stopped: self.end.stopped.is_some(),
            repeat: Repeat::of(&self.command),
        }
    }
}

/// Plots side by side: of the same time or on the same scale.
type Pair = Vec<Plot>;
