//! Breakdown of the input into categories, and the table of verdicts with their meaning.

use serde::Serialize;

use super::findings::KindLabels;
use super::numbers;

/// Breakdown of one side: the total, and the parts that add up to it.
#[derive(Debug, Serialize)]
pub(super) struct Breakdown {
    side: &'static str,
    whole: String,
    parts: Vec<Segment>,
}

/// Part of a side.
#[derive(Debug, Serialize)]
struct Segment {
    name: &'static str,
    /// `same`, `drift` or `skipped`.
    class: &'static str,
    n: u64,
    count: String,
}

impl Breakdown {
    /// Returns a total with its parts, given as name, class and count; empty parts are omitted.
    pub(super) fn of(side: &'static str, whole: String, parts: Vec<(&'static str, &'static str, u64)>) -> Self {
        let part = |(name, class, n)| Segment { name, class, n, count: numbers::count(n) };
        Self { side, whole, parts: parts.into_iter().filter(|(.., n)| *n > 0).map(part).collect() }
    }
}

/// Row in the table of verdicts.
#[derive(Debug, Serialize)]
pub(super) struct CategoryRow {
    name: &'static str,
    /// Section with more details; empty without one.
    anchor: &'static str,
    title: &'static str,
    count: String,
    any: bool,
    meaning: &'static str,
    todo: &'static str,
}

impl CategoryRow {
    /// Returns a row with a link to the section of its kind.
    pub(super) fn with_section(n: u64, name: &'static str, words: &KindLabels) -> Self {
        Self { anchor: if n > 0 { name } else { "" }, ..Self::of(n, name, words) }
    }

    /// Returns a row without a section.
    pub(super) fn of(n: u64, name: &'static str, words: &KindLabels) -> Self {
        let KindLabels { title, meaning, todo, .. } = *words;
        Self { name, anchor: "", title, count: numbers::count(n), any: n > 0, meaning, todo }
    }
}
