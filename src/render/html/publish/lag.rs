//! Lag from publish to row, if the warehouse was watched.

use serde::Serialize;

use super::errors::{self, ErrorCount};
use super::latency::{Percentile, curves};
use crate::publish::{Lag, MissingReading, TruthDelivery};
use crate::render::html::plot::{Plot, millis};
use crate::render::html::{numbers, sanitize};

/// Section of the lag.
#[derive(Debug, Serialize)]
pub(super) struct DeliveryLag {
    lead: String,
    notes: Vec<String>,
    percentiles: Vec<Percentile>,
    curve: Option<Plot>,
    missing: Vec<String>,
    missing_count: String,
    errors: Vec<ErrorCount>,
    truth: Option<TruthDeliverySection>,
}

/// Expected readings according to the truth file.
#[derive(Debug, Serialize)]
struct TruthDeliverySection {
    lead: String,
    note: Option<String>,
    missing_by_fault: Vec<ErrorCount>,
    missing_readings: Vec<Reading>,
}

/// Reading that never arrived.
#[derive(Debug, Serialize)]
struct Reading {
    id: String,
    place: String,
    fault: String,
}

impl TruthDeliverySection {
    fn of(truth: &TruthDelivery) -> Self {
        let file = sanitize::shown(&truth.file, sanitize::KEY);
        let must = numbers::of(truth.ids, "reading", "readings");
        let arrived = match truth.missing {
            0 => "all arrived".to_owned(),
            missing => format!("{} did not arrive", numbers::count(missing)),
        };
        let reading = |missing: &MissingReading| Reading {
            id: missing.id.to_string(),
            place: sanitize::shown(&format!("{}:{}", missing.file, missing.line), sanitize::KEY),
            fault: sanitize::shown(missing.fault.as_deref().unwrap_or("none"), sanitize::VALUE),
        };
        Self {
            lead: format!("{file} requires {must}; {arrived}, regardless of which run sent them."),
            note: truth
                .stopped
                .as_ref()
                .map(|why| format!("The check is incomplete: {}.", sanitize::shown(why, sanitize::VALUE))),
            missing_by_fault: errors::of(&truth.missing_by_fault),
            missing_readings: truth.missing_readings.iter().map(reading).collect(),
        }
    }
}

impl DeliveryLag {
    pub(super) fn of(lag: &Lag) -> Self {
        let seen = lag.arrived > 0;
        let percentiles =
            [("p50", lag.lag_ms.p50), ("p90", lag.lag_ms.p90), ("p99", lag.lag_ms.p99), ("maximum", lag.lag_ms.max)];
        Self {
            lead: lead(lag),
            notes: notes(lag),
            percentiles: percentiles
                .into_iter()
                .filter(|_| seen)
                .map(|(name, ms)| Percentile::of(name, &[ms]))
                .collect(),
            curve: curves("Lag by percentile", &[("latency", "from publish to row", &lag.lag_curve)]),
            missing: lag.missing_ids.iter().map(ToString::to_string).collect(),
            missing_count: if lag.missing > 0 { numbers::count(lag.missing) } else { String::new() },
            errors: errors::of(&lag.errors),
            truth: lag.truth.as_ref().map(TruthDeliverySection::of),
        }
    }
}

fn lead(lag: &Lag) -> String {
    let watched = numbers::of(lag.watched, "reading was", "readings were");
    let arrived = match lag.watched {
        0 => return "The warehouse was not checked for any reading.".into(),
        all if lag.arrived == all => "all arrived".to_owned(),
        all => format!("{} ({}) arrived", numbers::count(lag.arrived), shown_share(lag.arrived, all)),
    };
    let within = millis(lag.resolution_ms);
    format!(
        "{watched} sampled and {arrived}. The actual lag is at most {within} shorter than reported here, never longer."
    )
}

fn shown_share(part: u64, whole: u64) -> String {
    if part == 0 { "0 %".into() } else { numbers::share(part, whole) }
}

fn notes(lag: &Lag) -> Vec<String> {
    let mut notes = Vec::new();
    if lag.already_present > 0 {
        let n = numbers::of(lag.already_present, "reading was", "readings were");
        notes.push(format!("{n} in the warehouse before the run published them; they are not part of the lag."));
    }
    if lag.not_watched > 0 {
        let n = numbers::of(lag.not_watched, "reading was", "readings were");
        notes.push(format!("{n} not checked, because there were too many at once; the others are a sample."));
    }
    if let Some(why) = &lag.stopped {
        notes.push(format!("The watch ended early: {}.", sanitize::shown(why, sanitize::VALUE)));
    }
    notes
}
