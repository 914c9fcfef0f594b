//! From publish to row, where the warehouse was watched.

use serde::Serialize;

use super::errors::{self, Refused};
use super::latency::{Percentile, curves};
use crate::report::html::plot::{Plot, millis};
use crate::report::html::{numbers, text};
use crate::report::publish::Lag;

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Arrivals {
    lead: String,
    notes: Vec<String>,
    percentiles: Vec<Percentile>,
    curve: Option<Plot>,
    missing: Vec<String>,
    missing_count: String,
    errors: Vec<Refused>,
}

impl Arrivals {
    pub(super) fn of(lag: &Lag) -> Self {
        let seen = lag.arrived > 0;
        let percentiles = [("p50", lag.ms.p50), ("p90", lag.ms.p90), ("p99", lag.ms.p99), ("longest", lag.ms.max)];
        Self {
            lead: lead(lag),
            notes: notes(lag),
            percentiles: percentiles
                .into_iter()
                .filter(|_| seen)
                .map(|(name, ms)| Percentile::of(name, &[ms]))
                .collect(),
            curve: curves("Lag by percentile", &[("latency", "from publish to row", &lag.curve)]),
            missing: lag.missing_ids.iter().map(ToString::to_string).collect(),
            missing_count: if lag.missing > 0 { numbers::count(lag.missing) } else { String::new() },
            errors: errors::of(&lag.errors),
        }
    }
}

fn lead(lag: &Lag) -> String {
    let watched = numbers::of(lag.watched, "reading was", "readings were");
    let arrived = match lag.watched {
        0 => return "No reading was looked for in the warehouse.".into(),
        all if lag.arrived == all => "all arrived".to_owned(),
        all => format!("{} ({}) arrived", numbers::count(lag.arrived), shown_share(lag.arrived, all)),
    };
    let within = millis(lag.resolution_ms);
    format!(
        "{watched} looked for and {arrived}. A lag is at most {within} shorter than what is told here, never longer."
    )
}

fn shown_share(part: u64, whole: u64) -> String {
    if part == 0 { "0 %".into() } else { numbers::share(part, whole) }
}

fn notes(lag: &Lag) -> Vec<String> {
    let mut notes = Vec::new();
    if lag.already > 0 {
        let n = numbers::of(lag.already, "reading was", "readings were");
        notes.push(format!("{n} in the warehouse before the run published them: they say nothing of the lag."));
    }
    if lag.unwatched > 0 {
        let n = numbers::of(lag.unwatched, "reading was", "readings were");
        notes.push(format!("{n} not looked for, because there were too many at once: the rest is a sample."));
    }
    if let Some(why) = &lag.stopped {
        notes.push(format!("The watch ended early: {}.", text::shown(why, text::VALUE)));
    }
    notes
}
