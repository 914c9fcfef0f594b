//! Checks whether a lake contains any requested object, and if not, why: an empty lake, a missing farm, days without a
//! partition, or only objects with unrecognized names.
//!
//! An empty lake is usually a mistyped address. A run that accepts it would count every row as lost, or none as
//! missing.

use std::collections::BTreeSet;
use std::fmt;

use chrono::NaiveDate;

use crate::outcome::count;
use pipeline::lake::{
    Depth, Error, Key, Lake, ObjectMeta, Partition, Span, UnrecognizedNames, is_folder_marker, scan_partitions,
};

/// Maximum number of object names shown.
const SHOWN: usize = 3;
/// Maximum number of farms shown.
const FARMS: usize = 8;

/// Reason why no requested object exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Empty {
    /// The lake has no partition.
    Lake(Unrecognized),
    /// It has partitions, but none of these farms.
    Farm {
        /// The requested farms.
        requested: Vec<String>,
        /// The farms in the lake.
        farms: Vec<String>,
    },
    /// The farms have partitions, but none of these days.
    Days {
        /// The first day with a partition.
        first: NaiveDate,
        /// The last day with a partition.
        last: NaiveDate,
    },
    /// There are partitions, but no object in them has a valid name.
    Partitions {
        /// Number of partitions.
        partitions: usize,
        /// The unrecognized objects in them.
        names: Unrecognized,
    },
}

/// Objects with unrecognized names: their number, and the first names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unrecognized {
    count: u64,
    first: Vec<String>,
}

impl Unrecognized {
    /// Suggests how to fix the address, if the names would be valid without a folder in front of them, or with one.
    fn hint(&self) -> String {
        let below = |name: &str| {
            let at = name.match_indices('/').find(|&(at, _)| Key::parse(&name[at + 1..]).is_some());
            at.map(|(at, _)| name[..at].to_owned())
        };
        if let Some(folder) = self.first.iter().find_map(|name| below(name)) {
            return format!("the lake seems to be in {folder}/ below it: check --lake");
        }
        if self.first.iter().any(|name| Key::parse(&format!("x/{name}")).is_some()) {
            return "it seems to be a farm's folder: give the folder above it as --lake".into();
        }
        "check --lake".into()
    }

    fn of(unrecognized: &UnrecognizedNames) -> Self {
        Self { count: unrecognized.count(), first: unrecognized.keys().take(SHOWN).map(str::to_owned).collect() }
    }

    fn add<'a>(&mut self, objects: impl Iterator<Item = &'a ObjectMeta>) {
        for object in objects {
            self.count += 1;
            if self.first.len() < SHOWN {
                self.first.push(object.key.clone());
            }
        }
    }
}

/// Returns why none of these partitions contains an object with a valid name. Returns `None` as soon as one is found,
/// which usually takes one page of one partition.
///
/// # Errors
///
/// Returns an error if the lake cannot be listed.
pub async fn why_empty(
    lake: &dyn Lake,
    span: &Span,
    partitions: &[Partition],
    unrecognized: &UnrecognizedNames,
) -> Result<Option<Empty>, Error> {
    let mut names = Unrecognized::of(unrecognized);
    for partition in partitions {
        let (prefix, mut after): (_, Option<String>) = (partition.prefix(), None);
        loop {
            let page = lake.list(&prefix, Depth::Recursive, after.as_deref()).await?;
            if page.objects.iter().any(|object| Key::parse(&object.key).is_some()) {
                return Ok(None);
            }
            names.add(page.objects.iter().filter(|object| !is_folder_marker(object)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    if !partitions.is_empty() {
        return Ok(Some(Empty::Partitions { partitions: partitions.len(), names }));
    }
    if span.is_everything() { Ok(Some(Empty::Lake(names))) } else { outside(lake, span).await.map(Some) }
}

/// Returns why a span contains no partitions.
async fn outside(lake: &dyn Lake, span: &Span) -> Result<Empty, Error> {
    let found = scan_partitions(lake, &Span::default()).await?;
    let of_farms: BTreeSet<NaiveDate> =
        found.partitions.iter().filter(|one| span.has_farm(&one.farm)).map(|one| one.day).collect();
    Ok(match (of_farms.first(), of_farms.last()) {
        (Some(&first), Some(&last)) => Empty::Days { first, last },
        _ if found.partitions.is_empty() => Empty::Lake(Unrecognized::of(&found.unrecognized)),
        _ => {
            let farms: BTreeSet<String> = found.partitions.into_iter().map(|one| one.farm).collect();
            let requested = span.farms.iter().map(|farm| farm.as_str().to_owned()).collect();
            Empty::Farm { requested, farms: farms.into_iter().collect() }
        }
    })
}

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lake(names) if names.count == 0 => f.write_str("the lake is empty: check --lake"),
            Self::Lake(names) => write!(f, "the lake is empty but for {names}: {}", names.hint()),
            Self::Farm { requested, farms } => {
                write!(f, "no farm of that name is in the lake ({}): farms are {}", requested.join(", "), some(farms))
            }
            Self::Days { first, last } => write!(
                f,
                "the lake has no partition in this span: its days are {first} to {last}: check --from and --to"
            ),
            Self::Partitions { partitions, names } => {
                let of = if *partitions == 1 { "partition of the lake is" } else { "partitions of the lake are" };
                write!(f, "{} {of} empty", count(*partitions as u64))?;
                if names.count > 0 { write!(f, " but for {names}: {}", names.hint()) } else { Ok(()) }
            }
        }
    }
}

impl fmt::Display for Unrecognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.count == 1 { "object with an unrecognized name" } else { "objects with unrecognized names" };
        write!(f, "{} {of} ({}", count(self.count), self.first.join(", "))?;
        f.write_str(if self.count > self.first.len() as u64 { ", …)" } else { ")" })
    }
}

fn some(farms: &[String]) -> String {
    let shown = farms.iter().take(FARMS).map(String::as_str).collect::<Vec<_>>().join(", ");
    match farms.len().saturating_sub(FARMS) {
        0 => shown,
        more => format!("{shown} and {} more", count(more as u64)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use pipeline::lake::memory::Memory;
    use pipeline::record::Slug;

    const OBJECT: &str = "fazenda_um/2026/01/02/historico_consumo_2026-01-02 10:00:00.000.json";

    async fn why(keys: &[&str], span: Span) -> Option<String> {
        let lake = Memory::default();
        for key in keys {
            lake.put_new(key, Bytes::new()).await.unwrap();
        }
        let found = scan_partitions(&lake, &span).await.unwrap();
        why_empty(&lake, &span, &found.partitions, &found.unrecognized).await.unwrap().map(|empty| empty.to_string())
    }

    #[tokio::test]
    async fn an_empty_lake_a_missing_farm_and_missing_days_are_distinguished() {
        let all = Span::default;
        let farm = |farm: &str| Span { farms: [Slug::of(farm).unwrap()].into(), ..all() };
        let from = |day: &str| Span { from: day.parse().ok(), ..all() };
        assert_eq!(why(&[OBJECT], all()).await, None);
        assert_eq!(why(&[], all()).await.unwrap(), "the lake is empty: check --lake");
        assert_eq!(why(&[], farm("fazenda_um")).await.unwrap(), "the lake is empty: check --lake");
        assert_eq!(
            why(&["quarentena/2026/01/02/x.json"], from("2026-01-01")).await.unwrap(),
            "the lake is empty: check --lake"
        );
        assert_eq!(
            why(&[OBJECT], farm("fazenda_do")).await.unwrap(),
            "no farm of that name is in the lake (fazenda_do): farms are fazenda_um"
        );
        assert_eq!(
            why(&[OBJECT, "fazenda_um/2026/01/05/a.json"], from("2027-01-01")).await.unwrap(),
            "the lake has no partition in this span: its days are 2026-01-02 to 2026-01-05: check --from and --to"
        );
    }

    #[tokio::test]
    async fn only_unrecognized_names_count_as_an_empty_lake_and_the_first_are_shown() {
        let unrecognized = ["a.txt", "b.txt", "c/d.txt", "e.txt"];
        let message = why(&unrecognized, Span::default()).await.unwrap();
        assert!(
            message.contains("4 objects with unrecognized names (a.txt, b.txt, c/d.txt, …): check --lake"),
            "{message}"
        );
        let reason = why(&["fazenda_um/2026/01/02/readme.txt"], Span::default()).await.unwrap();
        assert!(
            reason
                .starts_with("1 partition of the lake is empty but for 1 object with an unrecognized name (fazenda_um"),
            "{reason}"
        );
        assert_eq!(why(&["fazenda_um/2026/01/02/readme.txt", OBJECT], Span::default()).await, None);
        let reason = why(&[&format!("hist/{OBJECT}")], Span::default()).await.unwrap();
        assert!(reason.ends_with("the lake seems to be in hist/ below it: check --lake"), "{reason}");
        let reason = why(&[OBJECT.strip_prefix("fazenda_um/").unwrap()], Span::default()).await.unwrap();
        assert!(reason.ends_with("it seems to be a farm's folder: give the folder above it as --lake"), "{reason}");
    }
}
