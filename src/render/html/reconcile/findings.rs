//! Findings by kind.

use serde::Serialize;
use serde_json::Value;

use super::labels;
use crate::reconcile::Outcome;
use crate::reconcile::{Drift, DriftKind, Pattern};
use crate::render::html::findings::{Field, KindSection, Sample, SizeBudget};
use crate::render::html::numbers;
use crate::render::html::sanitize::{self, KEY, VALUE};
use crate::render::reconcile::intact_text;

/// Maximum number of patterns on the page.
const PATTERNS: usize = 12;

/// Section of the findings.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    groups: Vec<KindSection>,
    /// File with all findings, if requested.
    file: String,
}

impl Findings {
    /// Returns the findings within a number of bytes, shared among the kinds that occurred.
    pub(super) fn of(outcome: &Outcome, bytes: usize) -> Self {
        let kinds: Vec<DriftKind> = DriftKind::ALL.into_iter().filter(|kind| outcome.of(*kind) > 0).collect();
        // Each cause of differences is a separate group, and so are differences without a cause.
        let causes: Vec<(DriftKind, Vec<Option<&str>>)> =
            kinds.into_iter().map(|kind| (kind, causes(outcome, kind))).collect();
        let mut budget = SizeBudget::new(bytes, causes.iter().map(|(_, causes)| causes.len()).sum());
        let mut groups = Vec::new();
        for (kind, causes) in causes {
            let words = labels::of(kind);
            if let [None] = causes[..] {
                groups.push(budget.group(kind.name(), &words, outcome.of(kind), outcome.samples.of(kind).map(sample)));
                continue;
            }
            let mut group = KindSection::titled(kind.name(), &words, outcome.of(kind));
            let mut left = outcome.of(kind);
            for cause in causes {
                let of_cause = outcome.samples.of(kind).filter(|drift| drift.cause.as_deref() == cause).map(sample);
                let total = cause.and_then(|cause| outcome.causes.get(cause)).copied().unwrap_or(left);
                left = left.saturating_sub(total);
                let title = cause.unwrap_or("no plain cause");
                group.part(budget.part(sanitize::shown(title, VALUE), total, of_cause));
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
    Sample {
        id: named(&drift.id, KEY),
        key: named(&drift.key, KEY),
        side,
        fields,
        intact: drift.intact.map_or("", intact_text),
        reason: named(&drift.reason, VALUE),
    }
}

/// Returns the side with the fields, or both.
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

/// Returns the causes of a kind's findings, the most frequent first and `None` last; only `None` if there are no
/// causes.
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

/// Common property of the findings of a kind or cause.
#[derive(Debug, Serialize)]
pub(super) struct PatternText {
    title: &'static str,
    anchor: &'static str,
    cause: String,
    /// Descriptions of the property, with the fraction of the compared ids that also have it.
    shares: Vec<[String; 2]>,
}

/// Returns where and since when findings are concentrated.
pub(super) fn patterns(outcome: &Outcome) -> Vec<PatternText> {
    let of_one = |a: &Pattern, b: &Pattern| (a.kind, &a.cause) == (b.kind, &b.cause);
    let shares = |pattern: &Pattern| {
        [
            sanitize::shown(&pattern.description(), VALUE),
            sanitize::shown(&pattern.comparison(&outcome.patterns), VALUE).replace(" %", "\u{a0}%"),
        ]
    };
    let message = |patterns: &[Pattern]| {
        let first = patterns.first()?;
        Some(PatternText {
            title: labels::of(first.kind).title,
            anchor: first.kind.name(),
            cause: first.cause.as_deref().map_or_else(String::new, |cause| sanitize::shown(cause, VALUE)),
            shares: patterns.iter().map(shares).collect(),
        })
    };
    outcome.patterns.chunk_by(of_one).take(PATTERNS).filter_map(message).collect()
}
