//! What a replay is about to do, as a value: which partitions, from where to where, up to which fence.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::journal::Head;
use super::{Filter, Only, Policy};
use crate::lake::{self, Key, Lake, Meta, Partition, ReadSettings, Reader, Span, survey};
use crate::report::replay::Asked;

/// Where records come from: the lake, the span of it, and the objects named one by one.
#[derive(Debug, Clone)]
pub struct Source {
    /// The lake.
    pub lake: Arc<dyn Lake>,
    /// The partitions, by path date.
    pub span: Span,
    /// Only these objects, where it is set.
    pub only: Option<Only>,
    /// Only records within these limits.
    pub filter: Filter,
    /// The lake as it was at that time, where it is set.
    pub versions_at: Option<DateTime<Utc>>,
}

impl Source {
    /// All of a lake.
    pub fn of(lake: Arc<dyn Lake>) -> Self {
        Self { lake, span: Span::default(), only: None, filter: Filter::default(), versions_at: None }
    }
}

/// The partitions and strays a replay will read, as they were when it was planned.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) lake: Arc<dyn Lake>,
    pub(super) fence: DateTime<Utc>,
    pub(super) partitions: Vec<Partition>,
    pub(super) strays: Vec<Meta>,
    pub(super) only: Option<Arc<Only>>,
    pub(super) filter: Filter,
    span: Span,
    versions_at: Option<DateTime<Utc>>,
    /// Only objects that the store took in no earlier than this.
    since: Option<DateTime<Utc>>,
}

impl Plan {
    /// Looks at the lake: its clock for the fence, then its partitions.
    ///
    /// # Errors
    /// The lake cannot be reached or listed.
    pub async fn new(source: Source) -> Result<Self, lake::Error> {
        let fence = source.lake.clock().await?;
        let lake = match source.versions_at {
            Some(at) => source.lake.as_of(at).await?,
            None => source.lake,
        };
        let (partitions, strays) = match &source.only {
            None => {
                let found = survey(&*lake, &source.span).await?;
                (found.partitions, found.strays)
            }
            Some(only) => {
                let keys = only.0.iter().filter_map(|key| Key::parse(key));
                let named: BTreeSet<Partition> = keys.map(|key| Partition { day: key.day, farm: key.farm }).collect();
                let inside = named.into_iter().filter(|p| source.span.has_day(p.day) && source.span.has_farm(&p.farm));
                (inside.collect(), Vec::new())
            }
        };
        Ok(Self {
            lake,
            fence,
            partitions,
            strays,
            only: source.only.map(Arc::new),
            filter: source.filter,
            span: source.span,
            versions_at: source.versions_at,
            since: None,
        })
    }

    /// The same plan made anew, for objects that the store took in since then.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub(super) async fn renewed(&self, since: DateTime<Utc>) -> Result<Self, lake::Error> {
        let source = Source {
            lake: Arc::clone(&self.lake),
            span: self.span.clone(),
            only: self.only.as_deref().cloned(),
            filter: self.filter,
            versions_at: None,
        };
        let anew = Self::new(source).await?;
        Ok(Self { strays: Vec::new(), since: Some(since), ..anew })
    }

    /// Whether it is about the lake as it was, to which nothing comes any more.
    pub(super) fn is_of_the_past(&self) -> bool {
        self.versions_at.is_some()
    }

    /// Whether it is about every object of the lake.
    pub fn is_whole(&self) -> bool {
        self.span.is_everything()
            && self.only.is_none()
            && self.filter.data_from.is_none()
            && self.filter.data_to.is_none()
    }

    /// What is asked for.
    pub(super) fn asked(&self, policy: Policy) -> Asked {
        Asked {
            farms: self.span.farms.iter().map(|farm| farm.as_str().to_owned()).collect(),
            from: self.span.from,
            to: self.span.to,
            until: self.filter.until,
            data_from: self.filter.data_from,
            data_to: self.filter.data_to,
            versions_at: self.versions_at,
            only: self.only.as_ref().map(|only| only.0.len() as u64),
            on_conflict: policy.to_string(),
        }
    }

    /// The first note of a run of this plan.
    pub(super) fn head(&self, policy: Policy) -> Head {
        Head {
            lake: self.lake.identity(),
            asked: self.asked(policy),
            only: self.only.as_ref().map(|only| only.digest()),
            fence: self.fence,
            begun: Utc::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            undo: Vec::new(),
            ended: None,
        }
    }

    /// A reader of the objects that are meant.
    pub(super) fn reader(&self, reads: usize) -> Reader {
        let (only, since) = (self.only.clone(), self.since);
        Reader::new(Arc::clone(&self.lake), ReadSettings { concurrency: reads, fence: self.fence }).keeping(
            move |meta| {
                only.as_ref().is_none_or(|only| only.0.contains(&meta.key))
                    && since.is_none_or(|since| meta.last_modified >= since)
            },
        )
    }

    /// Whether the plan is about that object.
    pub(super) fn has(&self, object: &Meta) -> bool {
        self.only.as_ref().is_none_or(|only| only.0.contains(&object.key))
            && self.since.is_none_or(|since| object.last_modified >= since)
    }
}
