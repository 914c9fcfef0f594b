//! The objects that a replay reads: those of its plan, and each of them once although catch-up runs overlap.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::job_range::JobRange;
use crate::reader::{Age, Cutoff, ObjectSelection};
use pipeline::lake::ObjectMeta;

/// Age at a run's cutoff of objects that the next catch-up run reads again. Store times have whole seconds, and clocks
/// differ.
pub(super) const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Objects close to the cutoff that were read, by the store's time and key.
type LoadedObjects = BTreeSet<(DateTime<Utc>, String)>;

/// Position of a run among several that read every object once: each leaves objects newer than its cutoff to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct CatchUpRound {
    taken: Arc<Mutex<LoadedObjects>>,
    /// True if no run follows.
    last: bool,
}

/// Selects the listed objects that are in a plan.
#[derive(Debug, Clone)]
pub(super) struct PlannedObjects {
    pub(super) only: Option<Arc<ObjectSelection>>,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) cutoff: Cutoff,
    pub(super) round: Option<CatchUpRound>,
    pub(super) range: Option<Arc<JobRange>>,
}

impl PlannedObjects {
    /// Returns true if the plan includes that object.
    pub(super) fn has(&self, object: &ObjectMeta) -> bool {
        self.range.as_ref().is_none_or(|range| range.has_object(&object.key))
            && self.only.as_ref().is_none_or(|only| only.contains(&object.key))
            && self.since.is_none_or(|since| object.last_modified >= since)
    }

    /// Returns true if the plan includes that object and this run reads it; remembers objects close to the cutoff.
    pub(super) fn takes(&self, object: &ObjectMeta) -> bool {
        self.has(object) && self.round.as_ref().is_none_or(|round| round.takes(object, self.cutoff))
    }
}

impl CatchUpRound {
    fn takes(&self, object: &ObjectMeta, cutoff: Cutoff) -> bool {
        if cutoff.age(object.last_modified) == Age::After && !self.last {
            return false;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if object.last_modified >= cutoff.instant() - OVERLAP {
            return taken.insert((object.last_modified, object.key.clone()));
        }
        // It was close to the cutoff of an earlier round, and may have been read by it.
        taken.is_empty() || !taken.contains(&(object.last_modified, object.key.clone()))
    }

    /// Returns the next round, which reads nothing older than `since`.
    pub(super) fn next(&self, since: DateTime<Utc>, last: bool) -> Self {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.split_off(&(since, String::new()));
        Self { taken: Arc::clone(&self.taken), last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::lake::StorageClass;

    #[test]
    fn an_object_is_read_by_one_round_however_long_the_rounds_take() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let at = |seconds: i64| start + TimeDelta::seconds(seconds);
        let object = |seconds: i64| ObjectMeta {
            key: format!("{seconds}"),
            size: 1,
            etag: String::new(),
            last_modified: at(seconds),
            class: StorageClass::default(),
            restored: false,
            archived: false,
            version: None,
        };
        let (mut round, mut taken) = (CatchUpRound::default(), Vec::new());
        let mut since = None;
        // Rounds that start 25 s apart, so that an object is close to the cutoffs of several.
        for (number, cutoff) in [0, 25, 50, 75].into_iter().enumerate() {
            let planned =
                PlannedObjects { only: None, since, cutoff: Cutoff::at(at(cutoff)), round: Some(round), range: None };
            taken.extend((-200..=cutoff).filter(|seconds| planned.takes(&object(*seconds))));
            since = Some(at(cutoff) - OVERLAP);
            round = planned.round.unwrap().next(at(cutoff) - OVERLAP, number == 2);
        }
        taken.sort_unstable();
        assert_eq!(taken, (-200..=75).collect::<Vec<_>>());
    }
}
