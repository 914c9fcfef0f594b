//! The findings by kind.

use serde::Serialize;
use serde_json::Value;

use super::labels;
use crate::reconcile::Outcome;
use crate::reconcile::{Drift, DriftKind, Pattern};
use crate::render::html::findings::{Field, KindSection, Sample, SizeBudget};
use crate::render::html::numbers;
use crate::render::html::sanitize::{self, KEY, VALUE};

/// Patterns that the page tells.
const PATTERNS: usize = 12;

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    groups: Vec<KindSection>,
    /// The file that has all of them, if one was asked for.
    file: String,
}

impl Findings {
    /// The findings within so many bytes, shared out between the kinds that there are.
    pub(super) fn of(outcome: &Outcome, bytes: usize) -> Self {
        let kinds: Vec<DriftKind> = DriftKind::ALL.into_iter().filter(|kind| outcome.of(*kind) > 0).collect();
        // Each cause of differences is a group of its own, and so is what no cause explains.
        let causes: Vec<(DriftKind, Vec<Option<&str>>)> =
            kinds.into_iter().map(|kind| (kind, causes(outcome, kind))).collect();
        let mut room = SizeBudget::new(bytes, causes.iter().map(|(_, causes)| causes.len()).sum());
        let mut groups = Vec::new();
        for (kind, causes) in causes {
            let words = labels::of(kind);
            if let [None] = causes[..] {
                groups.push(room.group(kind.name(), &words, outcome.of(kind), outcome.samples.of(kind).map(sample)));
                continue;
            }
            let mut group = KindSection::titled(kind.name(), &words, outcome.of(kind));
            let mut left = outcome.of(kind);
            for cause in causes {
                let of_cause = outcome.samples.of(kind).filter(|drift| drift.cause.as_deref() == cause).map(sample);
                let total = cause.and_then(|cause| outcome.causes.get(cause)).copied().unwrap_or(left);
                left = left.saturating_sub(total);
                let title = cause.unwrap_or("no plain cause");
                group.part(room.part(sanitize::shown(title, VALUE), total, of_cause));
            }
            groups.push(group);
        }
        let file = outcome.options.drift_file.as_deref().map_or_else(String::new, |file| sanitize::shown(file, KEY));
        Self { groups, file }
    }
}

fn sample(drift: &Drift) -> Sample {
    let named =
        |text: &Option<String>, max| text.as_deref().map_or_else(String::new, |text| sanitize::shown(text, max));
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
        DriftKind::Differing => "",
        _ if none(1) => "lake",
        _ if none(0) => "warehouse",
        _ => "",
    }
}

fn field(name: &str, lake: &Value, warehouse: &Value) -> Field {
    let [lake, warehouse, difference] = numbers::pair(lake, warehouse).map(|value| sanitize::shown(&value, VALUE));
    Field { name: sanitize::shown(name, VALUE), lake, warehouse, difference }
}

/// The causes of a kind's findings, the most frequent first and none last; only `None` where nothing has a cause.
fn causes(outcome: &Outcome, kind: DriftKind) -> Vec<Option<&str>> {
    let mut causes: Vec<Option<&str>> = Vec::new();
    if kind == DriftKind::Differing {
        let mut named: Vec<_> = outcome.causes.iter().collect();
        named.sort_by_key(|(cause, n)| (std::cmp::Reverse(**n), *cause));
        causes = named.into_iter().map(|(cause, _)| Some(cause.as_str())).collect();
    }
    if causes.is_empty() || outcome.causes.values().sum::<u64>() < outcome.of(kind) {
        causes.push(None);
    }
    causes
}

/// What findings of a kind or cause have in common.
#[derive(Debug, Serialize)]
pub(super) struct PatternText {
    title: &'static str,
    anchor: &'static str,
    cause: String,
    /// What that is, and how many of all ids compared have it too.
    told: Vec<[String; 2]>,
}

/// Where findings concentrate, and since when.
pub(super) fn patterns(outcome: &Outcome) -> Vec<PatternText> {
    let of_one = |a: &Pattern, b: &Pattern| (a.kind, &a.cause) == (b.kind, &b.cause);
    let told = |pattern: &Pattern| {
        [sanitize::shown(&pattern.description(), VALUE), pattern.base_rate().replace(' ', "\u{a0}")]
    };
    let message = |patterns: &[Pattern]| {
        let first = patterns.first()?;
        Some(PatternText {
            title: labels::of(first.kind).title,
            anchor: first.kind.name(),
            cause: first.cause.as_deref().map_or_else(String::new, |cause| sanitize::shown(cause, VALUE)),
            told: patterns.iter().map(told).collect(),
        })
    };
    outcome.patterns.chunk_by(of_one).take(PATTERNS).filter_map(message).collect()
}
