//! Selection and discovery of partitions, without listings outside the selected span.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::key::{self, LEGACY_CATCH_ALL};
use super::{Depth, Error, Lake, UnrecognizedNames};
use crate::record::{PARTS, QUARANTINE, Slug};

/// Maximum number of concurrent listings.
const LISTINGS: usize = 16;

/// Farms and days, both ends inclusive; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// Farm folders; empty for every farm.
    pub farms: BTreeSet<Slug>,
    /// First day; `None` for no lower bound.
    pub from: Option<NaiveDate>,
    /// Last day; `None` for no upper bound.
    pub to: Option<NaiveDate>,
}

impl Span {
    /// Returns true if a day is in the span.
    pub fn has_day(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    /// Returns true if a farm's folder is in the span.
    pub fn has_farm(&self, folder: &str) -> bool {
        self.farms.is_empty() || self.farms.iter().any(|farm| farm.as_str() == folder)
    }

    /// Returns true if the span excludes nothing.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the span with `days` more at both ends and the legacy Lambda's catch-all folder. A record that belongs
    /// to this span by its content may be anywhere in the widened span.
    pub fn widened(&self, days: u64) -> Self {
        let mut farms = self.farms.clone();
        if !farms.is_empty() {
            farms.extend(Slug::of(LEGACY_CATCH_ALL));
        }
        let days = chrono::Days::new(days);
        Self {
            farms,
            from: self.from.map(|day| day.checked_sub_days(days).unwrap_or(day)),
            to: self.to.map(|day| day.checked_add_days(days).unwrap_or(day)),
        }
    }

    fn may_have(&self, year: i32, month: Option<u32>) -> bool {
        let first = NaiveDate::from_ymd_opt(year, month.unwrap_or(1), 1);
        let last = match month {
            None => NaiveDate::from_ymd_opt(year, 12, 31),
            Some(_) => {
                first.and_then(|day| day.checked_add_months(chrono::Months::new(1))).and_then(|day| day.pred_opt())
            }
        };
        match (first, last) {
            (Some(first), Some(last)) => {
                self.from.is_none_or(|from| from <= last) && self.to.is_none_or(|to| first <= to)
            }
            _ => false,
        }
    }
}

/// The objects of one farm and day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The day; the first field, so that partitions sort by time with farms interleaved.
    pub day: NaiveDate,
    /// Folder of the farm.
    pub farm: String,
}

impl Partition {
    /// Returns the partition of an object's key; `None` above the level of days.
    pub fn of_key(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let farm = parts.next().filter(|farm| !farm.is_empty())?;
        let day = key::day(parts.next()?, parts.next()?, parts.next()?)?;
        parts.next().map(|_| Self { day, farm: farm.to_owned() })
    }

    /// Returns the prefix of the partition's keys, with the trailing `/`.
    pub fn prefix(&self) -> String {
        format!("{}/{}/", self.farm, self.day.format("%Y/%m/%d"))
    }
}

/// Result of a scan: the partitions in the span, and objects at unexpected levels.
#[derive(Debug, Clone, Default)]
pub struct PartitionScan {
    /// Partitions in order of day, with farms interleaved.
    pub partitions: Vec<Partition>,
    /// Objects above the level of days, or in folders that are not a farm, year, month or day.
    pub unrecognized: UnrecognizedNames,
}

impl PartitionScan {
    /// Returns the partitions grouped by day.
    pub fn days(&self) -> BTreeMap<NaiveDate, Vec<Partition>> {
        let mut days: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for partition in &self.partitions {
            days.entry(partition.day).or_default().push(partition.clone());
        }
        days
    }
}

/// One folder during the descent, with the values of its path so far.
#[derive(Debug, Clone, Default)]
struct PathPrefix {
    prefix: String,
    farm: String,
    year: Option<i32>,
    month: Option<u32>,
}

/// Result of one child folder.
enum ChildKind {
    Down(PathPrefix),
    Day(Partition),
    Unrecognized(String),
    Outside,
}

/// Finds the partitions of a span: farms, years, months and days, with each level listed in parallel.
///
/// Objects at unexpected levels are reported as unrecognized, unless the span excludes their folder.
///
/// # Errors
/// Returns an error if the lake cannot be listed.
pub async fn scan_partitions(lake: &dyn Lake, span: &Span) -> Result<PartitionScan, Error> {
    let mut scan = PartitionScan::default();
    let mut level = vec![PathPrefix::default()];
    while !level.is_empty() {
        let unrecognized = &Mutex::new(&mut scan.unrecognized);
        let folders: Vec<_> = stream::iter(level)
            .map(|dir| async move {
                let folders = list_level(lake, &dir.prefix, Depth::OneLevel, span, unrecognized).await?;
                Ok::<_, Error>((dir, folders))
            })
            .buffer_unordered(LISTINGS)
            .try_collect()
            .await?;
        level = Vec::new();
        for (folder, names) in folders {
            for name in names {
                match step(&folder, name, span) {
                    ChildKind::Down(next) => level.push(next),
                    ChildKind::Day(partition) => scan.partitions.push(partition),
                    ChildKind::Unrecognized(prefix) => {
                        list_level(lake, &prefix, Depth::Recursive, span, unrecognized).await?;
                    }
                    ChildKind::Outside => {}
                }
            }
        }
    }
    scan.partitions.sort();
    scan.partitions.dedup(); // a store may list a folder on two pages
    Ok(scan)
}

/// Lists a folder page by page: counts its objects as unrecognized, and returns its folders.
async fn list_level(
    lake: &dyn Lake,
    prefix: &str,
    depth: Depth,
    span: &Span,
    unrecognized: &Mutex<&mut UnrecognizedNames>,
) -> Result<Vec<String>, Error> {
    let in_span = |key: &str| span.farms.is_empty() || key.split_once('/').is_some_and(|(farm, _)| span.has_farm(farm));
    let (mut folders, mut after) = (Vec::new(), None);
    loop {
        let page = lake.list(prefix, depth, after.as_deref()).await?;
        folders.extend(page.folders);
        let mut unrecognized = unrecognized.lock().unwrap_or_else(PoisonError::into_inner);
        page.objects
            .into_iter()
            .filter(|object| in_span(&object.key))
            .for_each(|object| unrecognized.add_object(object));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(folders),
        }
    }
}

fn step(dir: &PathPrefix, prefix: String, span: &Span) -> ChildKind {
    let name = prefix[dir.prefix.len()..].trim_end_matches('/').to_owned();
    let unrecognized = |prefix| ChildKind::Unrecognized(prefix);
    match (dir.year, dir.month) {
        _ if dir.farm.is_empty() => {
            if [QUARANTINE, PARTS].contains(&&*name) || !span.has_farm(&name) {
                ChildKind::Outside
            } else if key::is_farm_folder(&name) {
                ChildKind::Down(PathPrefix { prefix, farm: name, year: None, month: None })
            } else {
                unrecognized(prefix)
            }
        }
        (None, _) => match key::number(&name, 4).and_then(|year| i32::try_from(year).ok()) {
            Some(year) if span.may_have(year, None) => {
                ChildKind::Down(PathPrefix { prefix, year: Some(year), ..dir.clone() })
            }
            Some(_) => ChildKind::Outside,
            None => unrecognized(prefix),
        },
        (Some(year), None) => match key::number(&name, 2).filter(|month| (1..=12).contains(month)) {
            Some(month) if span.may_have(year, Some(month)) => {
                ChildKind::Down(PathPrefix { prefix, month: Some(month), ..dir.clone() })
            }
            Some(_) => ChildKind::Outside,
            None => unrecognized(prefix),
        },
        (Some(year), Some(month)) => {
            match key::number(&name, 2).and_then(|day| NaiveDate::from_ymd_opt(year, month, day)) {
                Some(day) if span.has_day(day) => ChildKind::Day(Partition { day, farm: dir.farm.clone() }),
                Some(_) => ChildKind::Outside,
                None => unrecognized(prefix),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::lake::memory::Memory;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    async fn lake() -> Memory {
        let lake = Memory::default();
        for key in [
            "fazenda_um/2022/12/31/a.json",
            "fazenda_um/2023/01/01/a.json",
            "fazenda_um/2023/02/01/a.json",
            "fazenda_dois/2023/01/01/a.json",
            "fazenda_dois/2023/13/01/a.json",
            "fazenda_dois/notes.txt",
            "Old Stuff/2023/01/01/y.json",
            "readme.txt",
            "quarentena/2023/01/01/x.json",
            "partes/fazenda=fazenda_um/mes=2023-01/parte.parquet",
            "partes/_partes.json",
        ] {
            lake.put_new(key, Bytes::new()).await.unwrap();
        }
        lake
    }

    fn names(scan: &PartitionScan) -> (Vec<String>, Vec<&str>) {
        (scan.partitions.iter().map(Partition::prefix).collect(), scan.unrecognized.keys().collect())
    }

    #[tokio::test]
    async fn everything_is_found_by_day_and_unrecognized_names_separately() {
        let scan = scan_partitions(&lake().await, &Span::default()).await.unwrap();
        let (partitions, unrecognized) = names(&scan);
        assert_eq!(
            partitions,
            ["fazenda_um/2022/12/31/", "fazenda_dois/2023/01/01/", "fazenda_um/2023/01/01/", "fazenda_um/2023/02/01/"]
        );
        assert_eq!(
            unrecognized,
            ["Old Stuff/2023/01/01/y.json", "fazenda_dois/2023/13/01/a.json", "fazenda_dois/notes.txt", "readme.txt"]
        );
    }

    #[tokio::test]
    async fn folder_markers_are_counted_separately() {
        let lake = lake().await;
        let before = scan_partitions(&lake, &Span::default()).await.unwrap();
        // Names that end with a slash are tested with an S3 server: a map of names has no folders.
        let markers = ["fazenda_um_$folder$", ".DS_Store", "fazenda_um/2023/._x"];
        for key in markers {
            lake.put_new(key, Bytes::new()).await.unwrap();
        }
        lake.put_new("fazenda_dois/x_$folder$", Bytes::from_static(b"a")).await.unwrap();
        let scan = scan_partitions(&lake, &Span::default()).await.unwrap();
        assert_eq!(scan.partitions, before.partitions);
        let unrecognized = scan.unrecognized;
        assert_eq!((unrecognized.folder_markers(), unrecognized.count()), (3, before.unrecognized.count() + 1));
        assert!(unrecognized.keys().any(|key| key == "fazenda_dois/x_$folder$"), "it is not empty");
    }

    #[tokio::test]
    async fn only_the_span_is_listed() {
        let span = Span {
            farms: [Slug::of("fazenda_um").unwrap()].into(),
            from: Some(date("2022-12-31")),
            to: Some(date("2023-01-31")),
        };
        let scan = scan_partitions(&lake().await, &span).await.unwrap();
        let (partitions, unrecognized) = names(&scan);
        assert_eq!(partitions, ["fazenda_um/2022/12/31/", "fazenda_um/2023/01/01/"]);
        assert!(unrecognized.is_empty(), "{unrecognized:?}");
    }

    #[tokio::test]
    async fn a_span_of_one_day_finds_that_day_at_the_ends_of_months_and_years() {
        let lake = Memory::default();
        let days = ["2022/12/31", "2023/01/01", "2023/01/31", "2023/02/01", "2023/02/28", "2023/12/31", "2024/01/01"];
        for day in days {
            lake.put_new(&format!("x/{day}/a.json"), Bytes::new()).await.unwrap();
        }
        for day in days {
            let on = Some(date(&day.replace('/', "-")));
            let scan = scan_partitions(&lake, &Span { from: on, to: on, ..Span::default() }).await.unwrap();
            assert_eq!(names(&scan).0, [format!("x/{day}/")]);
        }
        let scan = scan_partitions(&lake, &Span::default()).await.unwrap();
        let by_day: Vec<_> = scan.days().into_iter().map(|(day, found)| (day, found.len())).collect();
        assert_eq!(by_day, days.map(|day| (date(&day.replace('/', "-")), 1)));
    }

    #[test]
    fn folders_outside_of_the_span_are_not_listed() {
        let span = Span { from: Some(date("2023-02-01")), to: Some(date("2023-02-28")), ..Span::default() };
        let farm = PathPrefix { prefix: "x/".into(), farm: "x".into(), ..PathPrefix::default() };
        let year = PathPrefix { prefix: "x/2023/".into(), year: Some(2023), ..farm.clone() };
        for (dir, folder, is_listed) in [
            (&farm, "x/2022/", false),
            (&farm, "x/2023/", true),
            (&farm, "x/2024/", false),
            (&year, "x/2023/01/", false),
            (&year, "x/2023/02/", true),
            (&year, "x/2023/03/", false),
        ] {
            assert_eq!(matches!(step(dir, folder.into(), &span), ChildKind::Down(_)), is_listed, "{folder}");
        }
    }

    #[test]
    fn the_partition_of_a_key_is_its_farm_and_day() {
        let partition = Partition::of_key("fazenda_um/2023/01/31/a.json").unwrap();
        assert_eq!((partition.farm.as_str(), partition.day), ("fazenda_um", date("2023-01-31")));
        assert_eq!(partition.prefix(), "fazenda_um/2023/01/31/");
        for key in ["/2023/01/31/a.json", "fazenda_um/2023/01/31", "fazenda_um/2023/02/31/a.json", "a.json", ""] {
            assert_eq!(Partition::of_key(key), None, "{key}");
        }
    }

    #[test]
    fn a_span_without_limits_is_everything() {
        assert!(Span::default().is_everything() && Span::default().widened(1).is_everything());
        let from = Span { from: Some(date("2023-01-01")), ..Span::default() };
        assert!(!from.is_everything());
        assert!(from.has_day(date("2023-01-01")) && !from.has_day(date("2022-12-31")));
        let to = Span { to: Some(date("2023-01-01")), ..Span::default() };
        assert!(to.has_day(date("2023-01-01")) && !to.has_day(date("2023-01-02")));
    }

    #[test]
    fn widening_adds_days_and_the_legacy_catch_all() {
        let span = Span { farms: [Slug::of("x").unwrap()].into(), from: Some(date("2023-01-01")), to: None };
        let wide = span.widened(1);
        assert_eq!(wide.from, Some(date("2022-12-31")));
        assert!(wide.has_farm("fazenda_dois") && !wide.has_farm("y"));
        let to = Span { to: Some(date("2023-01-31")), ..Span::default() };
        assert_eq!(to.widened(1).to, Some(date("2023-02-01")));
    }
}
