//! Findings of a kind under their heading, with as many samples as the page has room for.

use serde::Serialize;

use super::numbers;
use super::sanitize::weight;

/// Samples of a kind that are seen at once; the others unfold.
const AT_ONCE: usize = 8;
/// Bytes of markup around a sample and around each of its fields.
const MARKUP: usize = 220;

/// The words for one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct KindLabels {
    /// The heading.
    pub title: &'static str,
    /// One of them, in the summary.
    pub one: &'static str,
    /// More of them, in the summary.
    pub many: &'static str,
    /// What it means; names between backticks.
    pub meaning: &'static str,
    /// What to do; flags between backticks.
    pub todo: &'static str,
}

impl KindLabels {
    /// A sentence about a number of them, without the number.
    pub(super) const fn phrase(&self, n: u64) -> &'static str {
        if n == 1 { self.one } else { self.many }
    }
}

/// One kind.
#[derive(Debug, Serialize)]
pub(super) struct KindSection {
    name: &'static str,
    title: &'static str,
    count: String,
    meaning: &'static str,
    todo: &'static str,
    parts: Vec<FindingGroup>,
}

/// The findings of a kind, or those of one cause.
#[derive(Debug, Serialize)]
pub(super) struct FindingGroup {
    /// The cause; empty where findings are not told apart by cause.
    title: String,
    count: String,
    first: Vec<Sample>,
    rest: Vec<Sample>,
    /// How many unfold.
    rest_count: String,
    /// How many are not on the page; empty if none.
    more: String,
}

impl KindSection {
    /// A kind without its findings.
    pub(super) fn titled(name: &'static str, words: &KindLabels, total: u64) -> Self {
        let KindLabels { title, meaning, todo, .. } = *words;
        Self { name, title, count: numbers::count(total), meaning, todo, parts: Vec::new() }
    }

    /// Adds a part.
    pub(super) fn part(&mut self, part: FindingGroup) {
        self.parts.push(part);
    }
}

/// One finding.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sample {
    pub id: String,
    pub key: String,
    /// The side that the fields are of, where only one side has them.
    pub side: &'static str,
    pub fields: Vec<Field>,
    pub reason: String,
}

/// A field's name, its two values and their difference.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub name: String,
    pub lake: String,
    pub warehouse: String,
    pub difference: String,
}

/// Room for findings, shared out between the kinds that there are.
#[derive(Debug)]
pub(super) struct SizeBudget {
    bytes: usize,
    kinds: usize,
}

impl SizeBudget {
    pub(super) const fn new(bytes: usize, kinds: usize) -> Self {
        Self { bytes, kinds }
    }

    /// A kind with as many of its samples as its share of the room takes; the rest of the share is the next kind's.
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

    /// The samples of a kind or of a cause, as many as a share of the room takes.
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
