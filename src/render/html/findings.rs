//! Findings of a kind under their heading, with as many samples as fit on the page.

use serde::Serialize;

use super::numbers;
use super::sanitize::weight;

/// Number of samples per kind that are visible without expanding.
const AT_ONCE: usize = 8;
/// Bytes of markup for a sample and for each of its fields.
const MARKUP: usize = 220;

/// Labels of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct KindLabels {
    /// Heading.
    pub title: &'static str,
    /// Singular, for the summary.
    pub one: &'static str,
    /// Plural, for the summary.
    pub many: &'static str,
    /// Meaning; names between backticks.
    pub meaning: &'static str,
    /// Suggested action; flags between backticks.
    pub todo: &'static str,
}

impl KindLabels {
    /// Returns the phrase for a number of findings, without the number.
    pub(super) const fn phrase(&self, n: u64) -> &'static str {
        if n == 1 { self.one } else { self.many }
    }
}

/// Section of a kind.
#[derive(Debug, Serialize)]
pub(super) struct KindSection {
    name: &'static str,
    title: &'static str,
    count: String,
    meaning: &'static str,
    todo: &'static str,
    parts: Vec<FindingGroup>,
}

/// Findings of a kind, or those with one cause.
#[derive(Debug, Serialize)]
pub(super) struct FindingGroup {
    /// Cause; empty if findings are not grouped by cause.
    title: String,
    count: String,
    first: Vec<Sample>,
    rest: Vec<Sample>,
    /// Number of collapsed samples.
    rest_count: String,
    /// Number of findings that are not on the page; empty if none.
    more: String,
}

impl KindSection {
    /// Returns the section of a kind, without its findings.
    pub(super) fn titled(name: &'static str, words: &KindLabels, total: u64) -> Self {
        let KindLabels { title, meaning, todo, .. } = *words;
        Self { name, title, count: numbers::count(total), meaning, todo, parts: Vec::new() }
    }

    /// Adds a group.
    pub(super) fn part(&mut self, part: FindingGroup) {
        self.parts.push(part);
    }
}

/// Sample of one finding.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sample {
    pub id: String,
    pub key: String,
    /// Side of the fields, if only one side has them.
    pub side: &'static str,
    pub fields: Vec<Field>,
    /// Which side is intact; empty if not known.
    pub intact: &'static str,
    pub reason: String,
}

/// Name of a field, its two values and their difference.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub name: String,
    pub lake: String,
    pub warehouse: String,
    pub difference: String,
}

/// Size budget for findings, shared among the kinds that occurred.
#[derive(Debug)]
pub(super) struct SizeBudget {
    bytes: usize,
    kinds: usize,
}

impl SizeBudget {
    pub(super) const fn new(bytes: usize, kinds: usize) -> Self {
        Self { bytes, kinds }
    }

    /// Returns a kind with as many samples as fit into its share; the rest of the share goes to the next kind.
    pub(super) fn group(
        &mut self,
        name: &'static str,
        words: &KindLabels,
        total: u64,
        all: impl Iterator<Item = Sample>,
    ) -> KindSection {
        let mut group = KindSection::titled(name, words, total);
        group.part(self.part(String::new(), total, all));
        group
    }

    /// Returns as many samples of a kind or cause as fit into a share of the budget.
    pub(super) fn part(&mut self, title: String, total: u64, all: impl Iterator<Item = Sample>) -> FindingGroup {
        let share = self.bytes / self.kinds.max(1);
        let mut used = 0;
        let mut samples = Vec::new();
        for sample in all {
            used += sample.weight();
            if used > share {
                break;
            }
            samples.push(sample);
        }
        self.bytes = self.bytes.saturating_sub(used);
        self.kinds = self.kinds.saturating_sub(1);
        let more = total.saturating_sub(samples.len() as u64);
        let rest = samples.split_off(samples.len().min(AT_ONCE));
        FindingGroup {
            title,
            count: numbers::count(total),
            rest_count: numbers::count(rest.len() as u64),
            more: if more > 0 { numbers::count(more) } else { String::new() },
            first: samples,
            rest,
        }
    }
}

impl Sample {
    fn weight(&self) -> usize {
        let fields: usize = self.fields.iter().map(Field::weight).sum();
        MARKUP + weight(&self.id) + weight(&self.key) + weight(&self.reason) + fields
    }
}

impl Field {
    fn weight(&self) -> usize {
        MARKUP / 2 + weight(&self.name) + weight(&self.lake) + weight(&self.warehouse) + self.difference.len()
    }
}
