//! Plan of a replay: the partitions to read, the span, and the cutoff.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::journal_entries::RunHeader;
use super::outcome::{Outcome, ReplayOptions};
use super::planned_objects::{CatchUpRound, OVERLAP, PlannedObjects};
use super::policy::Policy;
use super::selection::RecordFilter;
use crate::job_range::JobRange;
use crate::parts::{Parts, PartsMode, PartsStats};
use crate::reader::{Cutoff, Empty, ObjectSelection, ReadSettings, Reader, why_empty};
use pipeline::lake::{
    self, Lake, ObjectMeta, Partition, PartitionScan, ReadHints, Span, UnrecognizedNames, scan_partitions,
};
use pipeline::warehouse::BulkWarehouse;

/// Source of a replay: the lake, the span, and individually selected objects.
#[derive(Debug, Clone)]
pub struct ReplaySource {
    /// Lake to read.
    pub lake: Arc<dyn Lake>,
    /// Partitions to read, by path date.
    pub span: Span,
    /// If set, only these objects are read.
    pub only: Option<ObjectSelection>,
    /// Limits on the content of the records.
    pub filter: RecordFilter,
    /// If set, the lake is read in its state at that time.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether records are read from parts.
    pub parts: PartsMode,
}

impl ReplaySource {
    /// Returns the source for a complete lake.
    pub fn of(lake: Arc<dyn Lake>) -> Self {
        Self {
            lake,
            span: Span::default(),
            only: None,
            filter: RecordFilter::default(),
            as_of: None,
            parts: PartsMode::default(),
        }
    }
}

/// Partitions and unrecognized objects that a replay reads, as listed when it was planned.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) lake: Arc<dyn Lake>,
    pub(super) cutoff: Cutoff,
    pub(super) partitions: Vec<Partition>,
    pub(super) unrecognized: UnrecognizedNames,
    /// Selected objects that are in the span.
    pub(super) only: Option<Arc<ObjectSelection>>,
    /// Number of selected objects outside of the span.
    outside: u64,
    pub(super) filter: RecordFilter,
    span: Span,
    as_of: Option<DateTime<Utc>>,
    /// Parts of the lake. `None` if they must not be used.
    parts: Option<Arc<Parts>>,
    /// If set, older objects (by the store's time) are not read.
    since: Option<DateTime<Utc>>,
    /// Position among runs that catch up with one another.
    round: Option<CatchUpRound>,
    /// Shard of the lake, if the replay runs in shards.
    shard: Option<ReplayShard>,
}

/// Shard of a replay: its range, the cutoff of all shards, and its name.
#[derive(Debug, Clone)]
pub struct ReplayShard {
    /// Objects of the shard.
    pub range: Arc<JobRange>,
    /// Cutoff of the replay.
    pub cutoff: DateTime<Utc>,
    /// Name for the journal.
    pub name: String,
}

/// Returns the error for a past state that is in the future, such as one with a mistyped year.
fn in_the_future(lake: &dyn Lake, at: DateTime<Utc>, cutoff: Cutoff) -> lake::Error {
    let (at, now) = (at.to_rfc3339(), cutoff.instant().to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    let why = format!("--as-of {at} is in the future, the lake's clock shows {now}: omit it to read the lake as it is");
    lake::Error::new(lake::Reason::Settings, lake.address(), why)
}

impl Plan {
    /// Returns the read hints of the planned lake.
    pub fn read_hints(&self) -> ReadHints {
        self.lake.read_hints()
    }

    /// Creates a plan: reads the lake's clock for the cutoff, and lists its partitions.
    ///
    /// # Errors
    /// Returns an error if the lake cannot be reached or listed.
    pub async fn new(source: ReplaySource) -> Result<Self, lake::Error> {
        let cutoff = Cutoff::of(&*source.lake).await?;
        let parts = Parts::open(&*source.lake, source.parts).await?;
        let lake = match source.as_of {
            Some(at) => {
                let past = cutoff.past(at).ok_or_else(|| in_the_future(&*source.lake, at, cutoff))?;
                source.lake.as_of(past).await?
            }
            None => Arc::clone(&source.lake),
        };
        let ReplaySource { span, mut only, filter, as_of, .. } = source;
        let outside = only.as_mut().map_or(0, |only| only.restrict_to(&span));
        let (partitions, unrecognized) = match &only {
            None => {
                let found = scan_partitions(&*lake, &span).await?;
                (found.partitions, found.unrecognized)
            }
            Some(only) => (only.partitions().cloned().collect(), UnrecognizedNames::default()),
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
            as_of,
            parts,
            since: None,
            round: None,
            shard: None,
        })
    }

    /// Creates the plan of a shard of the lake.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`Plan::new`].
    pub async fn of_shard(source: ReplaySource, shard: ReplayShard) -> Result<Self, lake::Error> {
        let lake = Arc::clone(&source.lake);
        let mut found = PartitionScan::default();
        for span in shard.range.spans(&source.span) {
            found.partitions.extend(scan_partitions(&*lake, &span).await?.partitions);
        }
        if shard.range.strays {
            found.unrecognized = scan_partitions(&*lake, &source.span).await?.unrecognized;
        }
        found.partitions.sort();
        found.partitions.dedup();
        Ok(Self {
            cutoff: Cutoff::at(lake.clock().await?).resumed(shard.cutoff),
            parts: Parts::open(&*lake, source.parts).await?,
            lake,
            partitions: found.partitions,
            unrecognized: found.unrecognized,
            only: None,
            outside: 0,
            filter: source.filter,
            span: source.span,
            as_of: None,
            since: None,
            round: None,
            shard: Some(shard),
        })
    }

    /// Returns the plan with the cutoff of a replay that ran in shards.
    #[must_use]
    pub fn with_cutoff(self, cutoff: DateTime<Utc>) -> Self {
        Self { cutoff: self.cutoff.resumed(cutoff), ..self }
    }

    /// Returns the range of a shard. `None` if the plan is not that of a shard.
    pub(super) fn range(&self) -> Option<Arc<JobRange>> {
        self.shard.as_ref().map(|shard| Arc::clone(&shard.range))
    }

    /// Returns the same plan for a run that a catch-up run follows: objects newer than its cutoff are left to that run.
    pub(super) fn with_catch_up(self) -> Self {
        Self { round: Some(CatchUpRound::default()), ..self }
    }

    /// Returns a new plan for the objects that arrived after a run with that cutoff; no run follows the `last` one.
    ///
    /// A resumed run did not list all objects of the [`OVERLAP`] again. Those that it omitted are found again and count
    /// as identical.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`Plan::new`].
    pub(super) async fn for_catch_up(&self, cutoff: DateTime<Utc>, last: bool) -> Result<Self, lake::Error> {
        let since = cutoff - OVERLAP;
        let source = ReplaySource {
            lake: Arc::clone(&self.lake),
            span: self.span.clone(),
            only: self.only.as_deref().cloned(),
            filter: self.filter,
            as_of: None,
            parts: self.parts.as_ref().map_or(PartsMode::Never, |parts| parts.mode()),
        };
        let updated = Self::new(source).await?;
        let round = self.round.as_ref().map(|round| round.next(since, last));
        Ok(Self { unrecognized: UnrecognizedNames::default(), since: Some(since), round, ..updated })
    }

    /// Returns the sources of the objects. `None` if parts must not be used.
    pub(super) fn parts_stats(&self) -> Option<PartsStats> {
        self.parts.as_ref().map(|parts| parts.stats())
    }

    /// Returns true if the plan reads a past state of the lake, which does not change.
    pub(super) fn is_historical(&self) -> bool {
        self.as_of.is_some()
    }

    /// Returns true if the plan includes every object of the lake.
    pub fn is_complete(&self) -> bool {
        self.span.is_everything()
            && self.shard.is_none()
            && self.only.is_none()
            && self.filter.data_from.is_none()
            && self.filter.data_to.is_none()
    }

    /// Returns why the lake contains nothing that is planned, or `None` if it contains something. A plan of selected
    /// objects is only checked for an empty lake.
    ///
    /// # Errors
    /// Returns an error if the lake cannot be listed.
    pub async fn empty(&self) -> Result<Option<Empty>, lake::Error> {
        let lake = &*self.lake;
        match &self.only {
            None => why_empty(lake, &self.span, &self.partitions, &self.unrecognized).await,
            Some(only) if only.is_empty() => Ok(None),
            // Selected objects may be missing, which is counted; a lake without any object is probably the wrong one.
            Some(_) => {
                if !self.partitions.is_empty()
                    && why_empty(lake, &self.span, &self.partitions, &UnrecognizedNames::default()).await?.is_none()
                {
                    return Ok(None);
                }
                let all = scan_partitions(lake, &Span::default()).await?;
                why_empty(lake, &Span::default(), &all.partitions, &all.unrecognized).await
            }
        }
    }

    /// Returns the outcome without a run if the drift file selects no object; `None` otherwise.
    pub fn empty_outcome(&self, bulk: &dyn BulkWarehouse, policy: Policy) -> Option<Outcome> {
        self.only.as_ref().filter(|only| only.is_empty())?;
        Some(Outcome {
            lake: self.lake.address(),
            warehouse: bulk.address(),
            options: self.options(policy),
            cutoff: Some(self.cutoff.instant()),
            ..Outcome::default()
        })
    }

    /// Returns the options of the run.
    pub(super) fn options(&self, policy: Policy) -> ReplayOptions {
        ReplayOptions {
            farms: self.span.farms.iter().map(|farm| farm.as_str().to_owned()).collect(),
            from: self.span.from,
            to: self.span.to,
            processed_until: self.filter.until,
            data_from: self.filter.data_from,
            data_to: self.filter.data_to,
            as_of: self.as_of,
            selected_objects: self.only.as_ref().map(|only| only.len() + self.outside),
            selected_out_of_span: self.outside,
            on_conflict: policy.to_string(),
            shard: self.shard.as_ref().map(|shard| shard.name.clone()),
        }
    }

    /// Returns the journal header of a run of this plan.
    pub(super) fn run_header(&self, policy: Policy) -> RunHeader {
        RunHeader {
            lake: self.lake.identity(),
            options: self.options(policy),
            only: self.only.as_ref().map(|only| only.digest()),
            cutoff: self.cutoff.instant(),
            started_at: Utc::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            undo_files: Vec::new(),
            ended: None,
        }
    }

    fn planned_objects(&self) -> PlannedObjects {
        PlannedObjects {
            only: self.only.clone(),
            since: self.since,
            cutoff: self.cutoff,
            round: self.round.clone(),
            range: self.range(),
        }
    }

    /// Returns a reader of the planned objects.
    pub(super) fn reader(&self, reads: usize) -> Reader {
        let choice = self.planned_objects();
        Reader::new(Arc::clone(&self.lake), ReadSettings { concurrency: reads, cutoff: self.cutoff })
            .with_parts(self.parts.clone())
            .filtered(move |object| choice.takes(object))
    }

    /// Returns true if the plan includes that object.
    pub(super) fn has(&self, object: &ObjectMeta) -> bool {
        self.planned_objects().has(object)
    }
}
