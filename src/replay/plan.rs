//! What a replay is about to do, as a value: which partitions, from where to where, up to which fence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::Only;
use crate::lake::{self, Key, Lake, Meta, Partition, Span, list_all, survey};
use crate::report::replay::Preview;
use crate::warehouse::Warehouse;

/// Listings under way at once.
const LISTINGS: usize = 16;

/// Where records come from: the lake, the span of it, and the objects named one by one.
#[derive(Debug, Clone)]
pub struct Source {
    /// The lake.
    pub lake: Arc<dyn Lake>,
    /// The partitions, by path date.
    pub span: Span,
    /// Only these objects, where it is set.
    pub only: Option<Only>,
}

/// The partitions and strays a replay will read, as they were when it was planned.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) lake: Arc<dyn Lake>,
    pub(super) fence: DateTime<Utc>,
    pub(super) partitions: Vec<Partition>,
    pub(super) strays: Vec<Meta>,
    pub(super) only: Option<Only>,
}

impl Plan {
    /// Looks at the lake: its clock for the fence, then its partitions.
    ///
    /// # Errors
    /// The lake cannot be reached or listed.
    pub async fn new(source: Source) -> Result<Self, lake::Error> {
        let fence = source.lake.clock().await?;
        let (partitions, strays) = match &source.only {
            None => {
                let found = survey(&*source.lake, &source.span).await?;
                (found.partitions, found.strays)
            }
            Some(only) => {
                let keys = only.0.iter().filter_map(|key| Key::parse(key));
                let named: BTreeSet<Partition> = keys.map(|key| Partition { day: key.day, farm: key.farm }).collect();
                let inside = named.into_iter().filter(|p| source.span.has_day(p.day) && source.span.has_farm(&p.farm));
                (inside.collect(), Vec::new())
            }
        };
        Ok(Self { lake: source.lake, fence, partitions, strays, only: source.only })
    }

    /// The plan without the days before `day`, which an earlier run has loaded, and without strays, which it has counted.
    #[must_use]
    pub fn from_day(mut self, day: NaiveDate) -> Self {
        self.partitions.retain(|partition| partition.day >= day);
        self.strays.clear();
        self
    }

    /// Whether the plan is about that object.
    pub(super) fn has(&self, key: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.0.contains(key))
    }

    /// Counts what is planned, by listing it: the dry run.
    ///
    /// # Errors
    /// The lake cannot be listed.
    pub async fn preview(&self, warehouse: &dyn Warehouse) -> Result<Preview, lake::Error> {
        let mut listed = stream::iter(self.partitions.clone())
            .map(|partition| async move {
                let objects = list_all(&*self.lake, &partition.prefix()).await?;
                Ok::<_, lake::Error>((partition, objects))
            })
            .buffered(LISTINGS);
        let mut preview = Preview {
            lake: self.lake.address(),
            warehouse: warehouse.address(),
            partitions: self.partitions.len() as u64,
            first_day: self.partitions.first().map(|p| p.day),
            last_day: self.partitions.last().map(|p| p.day),
            foreign: self.strays.len() as u64,
            rows_now: rows(warehouse).await,
            ..Preview::default()
        };
        let mut farms = BTreeMap::new();
        while let Some((partition, objects)) = listed.try_next().await? {
            for object in objects.into_iter().filter(|object| self.has(&object.key)) {
                preview.objects += 1;
                preview.bytes += object.size;
                *farms.entry(partition.farm.clone()).or_insert(0) += 1;
                match Key::parse(&object.key) {
                    None => preview.foreign += 1,
                    Some(_) if object.last_modified > self.fence => preview.after_fence += 1,
                    Some(_) if object.archived => preview.archived += 1,
                    Some(_) => {}
                }
            }
        }
        preview.farms = farms;
        Ok(preview)
    }
}

async fn rows(warehouse: &dyn Warehouse) -> Option<u64> {
    match warehouse.status().await {
        Ok(status) => status.rows,
        Err(e) => {
            tracing::warn!("{e}");
            None
        }
    }
}
