//! Failures and rejections by the topic's error code, or by the warehouse's reason.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::render::html::{numbers, sanitize};

/// Maximum number of codes on the page.
const SHOWN: usize = 50;

/// Code with its number of occurrences.
#[derive(Debug, Serialize)]
pub(super) struct ErrorCount {
    code: String,
    count: String,
    /// Percentage relative to the most frequent code.
    share: u64,
}

/// Returns the most frequent codes in descending order.
pub(super) fn of(errors: &BTreeMap<String, u64>) -> Vec<ErrorCount> {
    let mut all: Vec<_> = errors.iter().collect();
    all.sort_by_key(|(code, times)| (std::cmp::Reverse(**times), *code));
    let max = all.first().map_or(1, |(_, times)| (**times).max(1));
    let refused = |(code, times): (&String, &u64)| ErrorCount {
        code: sanitize::shown(code, sanitize::VALUE),
        count: numbers::count(*times),
        share: (u128::from(*times) * 100 / u128::from(max)) as u64,
    };
    all.into_iter().take(SHOWN).map(refused).collect()
}
