//! What a replay is about to do, as a value: which partitions, from where to where, up to which cutoff.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::journal::RunHeader;
use super::outcome::{Outcome, ReplayOptions};
use super::policy::Policy;
use super::selection::{ObjectSelection, RecordFilter};
use crate::reader::{Age, Cutoff, ReadSettings, Reader};
use crate::reader::{Empty, why_empty};
use pipeline::lake::{self, Lake, ObjectMeta, Partition, ReadHints, Span, scan_partitions};
use pipeline::warehouse::BulkWarehouse;

/// Objects that old at a run's cutoff are looked at again by the run that catches up with it: a store's times have whole
/// seconds, and clocks differ.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Where records come from: the lake, the span of it, and the objects named one by one.
#[derive(Debug, Clone)]
pub struct ReplaySource {
    /// The lake.
    pub lake: Arc<dyn Lake>,
    /// The partitions, by path date.
    pub span: Span,
    /// Only these objects, where it is set.
    pub only: Option<ObjectSelection>,
    /// Only records within these limits.
    pub filter: RecordFilter,
    /// The lake as it was at that time, where it is set.
    pub versions_at: Option<DateTime<Utc>>,
}

impl ReplaySource {
    /// All of a lake.
    pub fn of(lake: Arc<dyn Lake>) -> Self {
        Self { lake, span: Span::default(), only: None, filter: RecordFilter::default(), versions_at: None }
    }
}

/// The partitions and strays a replay will read, as they were when it was planned.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) lake: Arc<dyn Lake>,
    pub(super) cutoff: Cutoff,
    pub(super) partitions: Vec<Partition>,
    pub(super) unrecognized: Vec<ObjectMeta>,
    /// The objects that are named and lie in the span.
    pub(super) only: Option<Arc<ObjectSelection>>,
    /// How many are named and do not.
    outside: u64,
    pub(super) filter: RecordFilter,
    span: Span,
    versions_at: Option<DateTime<Utc>>,
    /// Only objects that the store took in no earlier than this.
    since: Option<DateTime<Utc>>,
    /// Its place among runs that catch up with one another.
    round: Option<CatchUpRound>,
}

/// The objects about the cutoff that were taken, by the store's time and their key.
type LoadedObjects = BTreeSet<(DateTime<Utc>, String)>;

/// A run's place among several that take every object once: each leaves to the next what is newer than its cutoff.
#[derive(Debug, Clone, Default)]
struct CatchUpRound {
    taken: Arc<Mutex<LoadedObjects>>,
    /// Whether there is no next one.
    last: bool,
}

/// Which listed objects a plan is about.
#[derive(Debug, Clone)]
struct PlannedObjects {
    only: Option<Arc<ObjectSelection>>,
    since: Option<DateTime<Utc>>,
    cutoff: Cutoff,
    round: Option<CatchUpRound>,
}

impl PlannedObjects {
    fn has(&self, object: &ObjectMeta) -> bool {
        self.only.as_ref().is_none_or(|only| only.0.contains(&object.key))
            && self.since.is_none_or(|since| object.last_modified >= since)
    }

    /// The same for an object that is taken now, if it is.
    fn takes(&self, object: &ObjectMeta) -> bool {
        self.has(object) && self.round.as_ref().is_none_or(|round| round.takes(object, self.cutoff))
    }
}

impl CatchUpRound {
    fn takes(&self, object: &ObjectMeta, cutoff: Cutoff) -> bool {
        if cutoff.age(object.last_modified) == Age::After && !self.last {
            return false;
        }
        if object.last_modified < cutoff.instant() - OVERLAP {
            return true;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert((object.last_modified, object.key.clone()))
    }

    /// The next one, which looks at nothing older than that.
    fn next(&self, since: DateTime<Utc>, last: bool) -> Self {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.split_off(&(since, String::new()));
        Self { taken: Arc::clone(&self.taken), last }
    }
}

impl Plan {
    /// How the lake that is planned with likes to be read.
    pub fn read_hints(&self) -> ReadHints {
        self.lake.read_hints()
    }

    /// Looks at the lake: its clock for the cutoff, then its partitions.
    ///
    /// # Errors
    /// The lake cannot be reached or listed.
    pub async fn new(source: ReplaySource) -> Result<Self, lake::Error> {
        let cutoff = Cutoff::of(&*source.lake).await?;
        let lake = match source.versions_at {
            Some(at) => source.lake.as_of(at).await?,
            None => Arc::clone(&source.lake),
        };
        let ReplaySource { span, mut only, filter, versions_at, .. } = source;
        let outside = only.as_mut().map_or(0, |only| only.restrict_to(&span));
        let (partitions, unrecognized) = match &only {
            None => {
                let found = scan_partitions(&*lake, &span).await?;
                (found.partitions, found.unrecognized)
            }
            Some(only) => {
                let named: BTreeSet<Partition> = only.0.iter().filter_map(|key| Partition::of_key(key)).collect();
                (named.into_iter().collect(), Vec::new())
            }
        };
        Ok(Self {
            lake,
            cutoff,
            partitions,
            unrecognized,
            only: only.map(Arc::new),
            outside,
            filter,
            span,
            versions_at,
            since: None,
            round: None,
        })
    }

    /// The same, where another run catches up with it: what is newer than its cutoff is left to that one.
    pub(super) fn with_catch_up(self) -> Self {
        Self { round: Some(CatchUpRound::default()), ..self }
    }

    /// The same plan made anew for what came after a run with that cutoff; after the `last` one no other comes.
    ///
    /// A run that went on from an earlier session did not list all of the [`OVERLAP`] again: what it left out is met as
    /// identical.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub(super) async fn for_catch_up(&self, cutoff: DateTime<Utc>, last: bool) -> Result<Self, lake::Error> {
        let since = cutoff - OVERLAP;
        let source = ReplaySource {
            lake: Arc::clone(&self.lake),
            span: self.span.clone(),
            only: self.only.as_deref().cloned(),
            filter: self.filter,
            versions_at: None,
        };
        let anew = Self::new(source).await?;
        let round = self.round.as_ref().map(|round| round.next(since, last));
        Ok(Self { unrecognized: Vec::new(), since: Some(since), round, ..anew })
    }

    /// Whether it is about the lake as it was, to which nothing comes any more.
    pub(super) fn is_historical(&self) -> bool {
        self.versions_at.is_some()
    }

    /// Whether it is about every object of the lake.
    pub fn is_whole(&self) -> bool {
        self.span.is_everything()
            && self.only.is_none()
            && self.filter.data_from.is_none()
            && self.filter.data_to.is_none()
    }

    /// Why the lake has nothing that is planned to be read, if it has not; a plan of no object by name is not asked about.
    ///
    /// # Errors
    /// The lake cannot be listed.
    pub async fn empty(&self) -> Result<Option<Empty>, lake::Error> {
        let lake = &*self.lake;
        match &self.only {
            None => why_empty(lake, &self.span, &self.partitions, &self.unrecognized).await,
            Some(only) if only.0.is_empty() => Ok(None),
            // Objects by name may be gone one by one, which is counted; a lake that has none at all is another one.
            Some(_) => {
                if !self.partitions.is_empty() && why_empty(lake, &self.span, &self.partitions, &[]).await?.is_none() {
                    return Ok(None);
                }
                let all = scan_partitions(lake, &Span::default()).await?;
                why_empty(lake, &Span::default(), &all.partitions, &all.unrecognized).await
            }
        }
    }

    /// The outcome without a run, where the drift file names no object that is meant.
    pub fn empty_outcome(&self, bulk: &dyn BulkWarehouse, policy: Policy) -> Option<Outcome> {
        self.only.as_ref().filter(|only| only.0.is_empty())?;
        Some(Outcome {
            lake: self.lake.address(),
            warehouse: bulk.address(),
            options: self.options(policy),
            cutoff: Some(self.cutoff.instant()),
            ..Outcome::default()
        })
    }

    /// What is asked for.
    pub(super) fn options(&self, policy: Policy) -> ReplayOptions {
        ReplayOptions {
            farms: self.span.farms.iter().map(|farm| farm.as_str().to_owned()).collect(),
            from: self.span.from,
            to: self.span.to,
            until: self.filter.until,
            data_from: self.filter.data_from,
            data_to: self.filter.data_to,
            versions_at: self.versions_at,
            only: self.only.as_ref().map(|only| only.0.len() as u64 + self.outside),
            only_outside: self.outside,
            on_conflict: policy.to_string(),
        }
    }

    /// The first note of a run of this plan.
    pub(super) fn run_header(&self, policy: Policy) -> RunHeader {
        RunHeader {
            lake: self.lake.identity(),
            options: self.options(policy),
            only: self.only.as_ref().map(|only| only.digest()),
            cutoff: self.cutoff.instant(),
            started_at: Utc::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            undo: Vec::new(),
            ended: None,
        }
    }

    fn planned_objects(&self) -> PlannedObjects {
        PlannedObjects { only: self.only.clone(), since: self.since, cutoff: self.cutoff, round: self.round.clone() }
    }

    /// A reader of the objects that are meant.
    pub(super) fn reader(&self, reads: usize) -> Reader {
        let choice = self.planned_objects();
        Reader::new(Arc::clone(&self.lake), ReadSettings { concurrency: reads, cutoff: self.cutoff })
            .filtered(move |object| choice.takes(object))
    }

    /// Whether the plan is about that object.
    pub(super) fn has(&self, object: &ObjectMeta) -> bool {
        self.planned_objects().has(object)
    }
}
