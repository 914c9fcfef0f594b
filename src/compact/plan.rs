//! Plan: which parts the lake should have, from its partitions and from the parts that exist.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{Compaction, FarmMonth};
use crate::parts::{Catalog, Month, PartName};
use pipeline::lake::{Error, Lake, ObjectMeta, PartitionScan, Span, UnrecognizedNames, list_all, scan_partitions};

/// A farm's month with its days.
#[derive(Debug, Clone)]
pub(super) struct MonthPlan {
    pub name: PartName,
    /// Days with a partition, or with their own part.
    pub days: BTreeSet<NaiveDate>,
    /// True if it has one part per day.
    pub by_day: bool,
}

/// The months of a run.
#[derive(Debug)]
pub(super) struct Plan {
    pub months: Vec<MonthPlan>,
    /// Objects above the level of days, or with unrecognized folders.
    pub unrecognized: UnrecognizedNames,
    /// Parts that exist, by name.
    pub existing: BTreeMap<PartName, ObjectMeta>,
}

impl Plan {
    /// Plans a compaction.
    ///
    /// # Errors
    /// Returns an error if the lake or its parts cannot be listed.
    pub(super) async fn new(settings: &Compaction, parts: &dyn Lake, catalog: &Catalog) -> Result<Self, Error> {
        let span = whole_months(&settings.span);
        let PartitionScan { partitions, mut unrecognized } = scan_partitions(&*settings.lake, &span).await?;
        let listed = list_all(parts, "").await?.into_iter();
        let existing: BTreeMap<PartName, ObjectMeta> =
            listed.filter_map(|meta| Some((PartName::parse(&meta.key)?, meta))).collect();
        let mut months: BTreeMap<FarmMonth, BTreeSet<NaiveDate>> = BTreeMap::new();
        for partition in partitions {
            let month = FarmMonth { month: Month::of(partition.day), farm: partition.farm };
            months.entry(month).or_default().insert(partition.day);
        }
        // A month whose objects are all deleted still has its part.
        let inside =
            |name: &&PartName| span.has_farm(&name.farm) && span.has_day(name.day.unwrap_or(name.month.first_day()));
        for name in existing.keys().filter(inside) {
            let month = FarmMonth { month: name.month, farm: name.farm.clone() };
            months.entry(month).or_default().extend(name.day);
        }
        if let Some(shard) = &settings.shard {
            months.retain(|month, _| shard.months.contains(month));
            if !shard.strays {
                unrecognized = UnrecognizedNames::default();
            }
        }
        let month = |(FarmMonth { month, farm }, days)| MonthPlan {
            by_day: catalog.is_by_day(&farm, month),
            name: PartName { farm, month, day: None },
            days,
        };
        Ok(Self { months: months.into_iter().map(month).collect(), unrecognized, existing })
    }
}

/// Returns the span of the complete months of a span.
pub(super) fn whole_months(span: &Span) -> Span {
    Span {
        farms: span.farms.clone(),
        from: span.from.map(|day| Month::of(day).first_day()),
        to: span.to.map(|day| Month::of(day).last_day()),
    }
}
