//! Problems with their places, as many as a page lists.

use serde::Serialize;

use super::numbers;
use super::sanitize::{self, KEY, VALUE};
use crate::outcome::Problems;

/// Problems that a page lists.
const LISTED: usize = 50;

/// Problems, each with its place; as many as the page lists.
#[derive(Debug, Serialize)]
pub(super) struct ProblemList {
    items: Vec<[String; 2]>,
    /// How many more; empty if none.
    more: String,
}

impl ProblemList {
    /// The problems of the kinds that are wanted.
    pub(super) fn of(problems: &Problems, wanted: impl Fn(&str) -> bool) -> Self {
        let items = problems.kept().iter().filter(|p| wanted(&p.kind)).take(LISTED);
        let items: Vec<_> =
            items.map(|p| [sanitize::shown(&p.place, KEY), sanitize::shown(&p.reason, VALUE)]).collect();
        let more = problems.count(wanted) - items.len() as u64;
        Self { items, more: if more > 0 { numbers::count(more) } else { String::new() } }
    }
}
