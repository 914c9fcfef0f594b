//! The account: what there was, what became of each, and what every verdict means.

use serde::Serialize;

use super::findings::KindLabels;
use super::numbers;

/// The account of one side: the whole, and the parts that add up to it.
#[derive(Debug, Serialize)]
pub(super) struct Breakdown {
    side: &'static str,
    whole: String,
    parts: Vec<Segment>,
}

/// A share of a side.
#[derive(Debug, Serialize)]
struct Segment {
    name: &'static str,
    /// `same`, `drift` or `aside`.
    class: &'static str,
    n: u64,
    count: String,
}

impl Breakdown {
    /// A whole, and its parts with their name, class and count; those of none are left out.
    pub(super) fn of(side: &'static str, whole: String, parts: Vec<(&'static str, &'static str, u64)>) -> Self {
        let part = |(name, class, n)| Segment { name, class, n, count: numbers::count(n) };
        Self { side, whole, parts: parts.into_iter().filter(|(.., n)| *n > 0).map(part).collect() }
    }
}

/// A line of the table of verdicts.
#[derive(Debug, Serialize)]
pub(super) struct CategoryRow {
    name: &'static str,
    /// The section that has more, if there is one.
    anchor: &'static str,
    title: &'static str,
    count: String,
    any: bool,
    meaning: &'static str,
    todo: &'static str,
}

impl CategoryRow {
    /// So many of a kind, with a section of its own.
    pub(super) fn with_section(n: u64, name: &'static str, words: &KindLabels) -> Self {
        Self { anchor: if n > 0 { name } else { "" }, ..Self::of(n, name, words) }
    }

    /// So many of a kind.
    pub(super) fn of(n: u64, name: &'static str, words: &KindLabels) -> Self {
        let KindLabels { title, meaning, todo, .. } = *words;
        Self { name, anchor: "", title, count: numbers::count(n), any: n > 0, meaning, todo }
    }
}
