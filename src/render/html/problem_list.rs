//! List of problems with their locations, limited in length.

use serde::Serialize;

use super::numbers;
use super::sanitize::{self, KEY, VALUE};
use crate::outcome::Problems;

/// Maximum number of problems in the list.
const LISTED: usize = 50;

/// List of problems, each with its location.
#[derive(Debug, Serialize)]
pub(super) struct ProblemList {
    items: Vec<[String; 2]>,
    /// Number of problems beyond the list; empty if none.
    more: String,
    /// True if the problems are those of shards, which have their own logs.
    is_of_shards: bool,
}

impl ProblemList {
    /// Returns the problems of the wanted kinds.
    pub(super) fn of(problems: &Problems, wanted: impl Fn(&str) -> bool) -> Self {
        let items = problems.items().iter().filter(|p| wanted(&p.kind)).take(LISTED);
        let items: Vec<_> =
            items.map(|p| [sanitize::shown(&p.place, KEY), sanitize::shown(&p.reason, VALUE)]).collect();
        let more = problems.count(wanted) - items.len() as u64;
        Self { items, more: if more > 0 { numbers::count(more) } else { String::new() }, is_of_shards: false }
    }

    /// Returns the list for a run that was merged from shards, or for one that was not.
    pub(super) fn merged(self, is_merged: bool) -> Self {
        Self { is_of_shards: is_merged, ..self }
    }
}
