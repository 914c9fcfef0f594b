//! The findings by kind, with as many samples as the page has room for.

use serde::Serialize;
use serde_json::Value;

use super::text::{self, KEY, VALUE, weight};
use super::{numbers, words};
use crate::reconcile::{Drift, Kind};
use crate::report::reconcile::Outcome;

/// Samples of a kind that are seen at once; the others unfold.
const AT_ONCE: usize = 8;
/// Bytes of markup around a sample and around each of its fields.
const MARKUP: usize = 220;

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    groups: Vec<Group>,
    /// The file that has all of them, if one was asked for.
    file: String,
}

/// One kind.
#[derive(Debug, Serialize)]
struct Group {
    name: &'static str,
    title: &'static str,
    count: String,
    meaning: &'static str,
    todo: &'static str,
    first: Vec<Sample>,
    rest: Vec<Sample>,
    /// How many unfold.
    rest_count: String,
    /// How many are not on the page; empty if none.
    more: String,
}

/// One finding.
#[derive(Debug, Serialize)]
struct Sample {
    id: String,
    key: String,
    /// The side that the fields are of, where only one side has them.
    side: &'static str,
    fields: Vec<Field>,
    reason: String,
}

/// A field's name, its two values and their difference.
#[derive(Debug, Serialize)]
struct Field {
    name: String,
    lake: String,
    warehouse: String,
    difference: String,
}

impl Findings {
    /// The findings within so many bytes, shared out between the kinds that there are.
    pub(super) fn of(outcome: &Outcome, bytes: usize) -> Self {
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| outcome.of(*kind) > 0).collect();
        let mut left = bytes;
        let mut groups = Vec::new();
        for (at, kind) in kinds.iter().enumerate() {
            let (group, used) = Group::of(outcome, *kind, left / (kinds.len() - at));
            left = left.saturating_sub(used);
            groups.push(group);
        }
        let file = outcome.asked.drift_file.as_deref().map_or_else(String::new, |file| text::shown(file, KEY));
        Self { groups, file }
    }
}

impl Group {
    /// The group and the bytes it takes.
    fn of(outcome: &Outcome, kind: Kind, bytes: usize) -> (Self, usize) {
        let mut used = 0;
        let mut samples = Vec::new();
        for drift in outcome.samples.iter().filter(|drift| drift.kind == kind) {
            let sample = Sample::of(drift);
            used += sample.weight();
            if used > bytes {
                break;
            }
            samples.push(sample);
        }
        let (total, words) = (outcome.of(kind), words::of(kind));
        let more = total.saturating_sub(samples.len() as u64);
        let rest = samples.split_off(samples.len().min(AT_ONCE));
        let group = Self {
            name: kind.name(),
            title: words.title,
            count: numbers::count(total),
            meaning: words.meaning,
            todo: words.todo,
            rest_count: numbers::count(rest.len() as u64),
            more: if more > 0 { numbers::count(more) } else { String::new() },
            first: samples,
            rest,
        };
        (group, used)
    }
}

impl Sample {
    fn of(drift: &Drift) -> Self {
        let named =
            |text: &Option<String>, most| text.as_deref().map_or_else(String::new, |text| text::shown(text, most));
        let side = side(drift);
        let repeats_id = |lake: &Value| drift.id.as_deref().is_some_and(|id| lake.as_str() == Some(id));
        let fields = drift
            .fields
            .iter()
            .filter(|(name, [lake, _])| *name != "id_treated_data" || !repeats_id(lake))
            .map(|(name, [lake, warehouse])| Field::of(name, lake, warehouse))
            .collect();
        Self {
            id: named(&drift.id, KEY),
            key: named(&drift.key, KEY),
            side,
            fields,
            reason: named(&drift.reason, VALUE),
        }
    }

    fn weight(&self) -> usize {
        let fields: usize = self.fields.iter().map(Field::weight).sum();
        MARKUP + weight(&self.id) + weight(&self.key) + weight(&self.reason) + fields
    }
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

impl Field {
    fn of(name: &str, lake: &Value, warehouse: &Value) -> Self {
        let [lake, warehouse, difference] = numbers::pair(lake, warehouse).map(|value| text::shown(&value, VALUE));
        Self { name: text::shown(name, VALUE), lake, warehouse, difference }
    }

    fn weight(&self) -> usize {
        MARKUP / 2 + weight(&self.name) + weight(&self.lake) + weight(&self.warehouse) + self.difference.len()
    }
}
