//! Samples of findings for text, JSON and HTML; the selection does not depend on the order of the findings.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reconcile::{Drift, DriftKind};

/// Maximum number of samples per kind; the drift file contains all findings.
const OF_A_KIND: usize = 1_000;
/// Minimum number of samples per cause beyond that limit, so that no cause hides another.
const OF_A_CAUSE: usize = 20;

/// First findings of every kind and cause, ordered by id and key.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    kinds: BTreeMap<DriftKind, FirstN<OF_A_KIND>>,
    causes: BTreeMap<(DriftKind, String), FirstN<OF_A_CAUSE>>,
}

/// First `MAX` findings.
#[derive(Debug, Clone, Default)]
struct FirstN<const MAX: usize>(Vec<Drift>);

impl<const MAX: usize> FirstN<MAX> {
    fn take(&mut self, drift: &Drift) {
        let at = self.0.partition_point(|other| order(other, drift) == Ordering::Less);
        if at < MAX {
            self.0.truncate(MAX - 1);
            self.0.insert(at, drift.clone());
        }
    }

    /// Returns true if this finding would be after the last of a full list.
    fn is_past(&self, drift: &Drift) -> bool {
        self.0.len() == MAX && self.0.last().is_some_and(|last| order(last, drift) == Ordering::Less)
    }
}

/// Compares findings by the order of `drift.ndjson` in the evidence.
fn order(a: &Drift, b: &Drift) -> Ordering {
    (a.kind, &a.id, &a.key, &a.reason, &a.cause).cmp(&(b.kind, &b.id, &b.key, &b.reason, &b.cause))
}

impl Samples {
    /// Adds a finding if it is one of the first.
    pub(super) fn take(&mut self, drift: &Drift) {
        self.kinds.entry(drift.kind).or_default().take(drift);
        if let Some(cause) = &drift.cause {
            self.causes.entry((drift.kind, cause.clone())).or_default().take(drift);
        }
    }

    /// Adds the findings of another part that are among the first of both.
    pub(super) fn merge(&mut self, other: &Self) {
        for (kind, first) in &other.kinds {
            let mine = self.kinds.entry(*kind).or_default();
            first.0.iter().for_each(|drift| mine.take(drift));
        }
        for (cause, first) in &other.causes {
            let mine = self.causes.entry(cause.clone()).or_default();
            first.0.iter().for_each(|drift| mine.take(drift));
        }
    }

    /// Returns the samples of a kind.
    pub fn of(&self, kind: DriftKind) -> impl Iterator<Item = &Drift> {
        let first = self.kinds.get(&kind);
        let further = self.causes.iter().filter(move |((of, _), _)| *of == kind).flat_map(|(_, drifts)| &drifts.0);
        let further = further.filter(move |drift| first.is_some_and(|first| first.is_past(drift)));
        first.into_iter().flat_map(|first| &first.0).chain(further)
    }

    /// Returns all samples.
    pub fn iter(&self) -> impl Iterator<Item = &Drift> {
        DriftKind::ALL.into_iter().flat_map(|kind| self.of(kind))
    }
}

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut samples = Self::default();
        Vec::<Drift>::deserialize(deserializer)?.iter().for_each(|drift| samples.take(drift));
        Ok(samples)
    }
}

impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(n: usize) -> Drift {
        let cause = (n % 500 == 7).then(|| format!("cause {}", n % 3));
        Drift { cause, ..Drift::new(DriftKind::Differing, format!("{n:06}"), None) }
    }

    #[test]
    fn the_same_samples_are_stored_in_any_order() {
        let (mut one, mut other) = (Samples::default(), Samples::default());
        (0..5_000).for_each(|n| one.take(&drift(n)));
        (0..5_000).rev().for_each(|n| other.take(&drift(n * 7 % 5_000)));
        let ids = |samples: &Samples| samples.iter().map(|drift| drift.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&one), ids(&other));
        assert_eq!(ids(&one).len(), 1_000 + 8, "and of each cause those past the first thousand");
    }

    #[test]
    fn no_kind_and_no_cause_hides_another() {
        let mut samples = Samples::default();
        (0..3_000).for_each(|n| samples.take(&drift(n)));
        samples.take(&Drift::new(DriftKind::Misfiled, "x", None));
        let rare = Drift { cause: Some("rare".into()), ..Drift::new(DriftKind::Differing, "zzz", None) };
        samples.take(&rare);
        assert!(samples.iter().any(|drift| drift == &rare) && samples.of(DriftKind::Misfiled).count() == 1);
    }
}
