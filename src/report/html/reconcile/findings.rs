//! The findings by kind.

use serde::Serialize;
use serde_json::Value;

use super::words;
use crate::reconcile::{Drift, Kind};
use crate::report::html::findings::{Field, Group, Room, Sample};
use crate::report::html::numbers;
use crate::report::html::text::{self, KEY, VALUE};
use crate::report::reconcile::Outcome;

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    groups: Vec<Group>,
    /// The file that has all of them, if one was asked for.
    file: String,
}

impl Findings {
    /// The findings within so many bytes, shared out between the kinds that there are.
    pub(super) fn of(outcome: &Outcome, bytes: usize) -> Self {
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| outcome.of(*kind) > 0).collect();
        let mut room = Room::new(bytes, kinds.len());
        let group = |kind: &Kind| {
            let samples = outcome.samples.iter().filter(|drift| drift.kind == *kind).map(sample);
            room.group(kind.name(), &words::of(*kind), outcome.of(*kind), samples)
        };
        let groups = kinds.iter().map(group).collect();
        let file = outcome.asked.drift_file.as_deref().map_or_else(String::new, |file| text::shown(file, KEY));
        Self { groups, file }
    }
}

fn sample(drift: &Drift) -> Sample {
    let named = |text: &Option<String>, most| text.as_deref().map_or_else(String::new, |text| text::shown(text, most));
    let side = side(drift);
    let repeats_id = |lake: &Value| drift.id.as_deref().is_some_and(|id| lake.as_str() == Some(id));
    let fields = drift
        .fields
        .iter()
        .filter(|(name, [lake, _])| *name != "id_treated_data" || !repeats_id(lake))
        .map(|(name, [lake, warehouse])| field(name, lake, warehouse))
        .collect();
    Sample { id: named(&drift.id, KEY), key: named(&drift.key, KEY), side, fields, reason: named(&drift.reason, VALUE) }
}

/// The side that has the fields, or both.
fn side(drift: &Drift) -> &'static str {
    let none = |side: usize| drift.fields.values().all(|values| values[side].is_null());
    match drift.kind {
        Kind::Differing => "",
        _ if none(1) => "lake",
        _ if none(0) => "warehouse",
        _ => "",
    }
}

fn field(name: &str, lake: &Value, warehouse: &Value) -> Field {
    let [lake, warehouse, difference] = numbers::pair(lake, warehouse).map(|value| text::shown(&value, VALUE));
    Field { name: text::shown(name, VALUE), lake, warehouse, difference }
}
