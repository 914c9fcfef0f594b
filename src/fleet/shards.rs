//! List of the shards of a run: `shards.jsonl`, one line per shard.

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::compact::FarmMonth;
use crate::job_range::{DayLimits, IdLimits, JobRange};
use crate::outcome::read_back;

/// Shard of a run: its range, and its size when the run was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Number of the shard, from 0.
    pub shard: u32,
    /// What it covers.
    #[serde(flatten)]
    pub scope: Scope,
    /// Number of its listed objects.
    pub objects: u64,
    /// Total size of its objects, in bytes.
    pub bytes: u64,
}

/// Objects and rows that a shard covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, from = "ScopeFields")]
pub enum Scope {
    /// Months of a compaction.
    Months(ShardMonths),
    /// Objects and rows of an audit or a replay.
    Range(JobRange),
}

/// Months of a compaction that one shard covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShardMonths {
    /// The months, in ascending order.
    pub months: Vec<FarmMonth>,
    /// True if objects outside of the paths of days belong to the shard.
    pub strays: bool,
}

/// Fields of either scope: only a compaction has months.
#[derive(Deserialize)]
struct ScopeFields {
    months: Option<Vec<FarmMonth>>,
    #[serde(flatten)]
    range: JobRange,
}

impl From<ScopeFields> for Scope {
    fn from(ScopeFields { months, range }: ScopeFields) -> Self {
        match months {
            Some(months) => Self::Months(ShardMonths { months, strays: range.strays }),
            None => Self::Range(range),
        }
    }
}

impl Shard {
    /// Returns the range of a shard of an audit or a replay.
    ///
    /// # Errors
    /// Returns an error if it covers months.
    pub(super) fn range(&self) -> anyhow::Result<&JobRange> {
        match &self.scope {
            Scope::Range(range) => Ok(range),
            Scope::Months(_) => bail!("shard {} is that of a compaction: plan again", self.shard),
        }
    }

    /// Returns the months of a shard of a compaction.
    ///
    /// # Errors
    /// Returns an error if it covers a range.
    pub(super) fn months(&self) -> anyhow::Result<&ShardMonths> {
        match &self.scope {
            Scope::Months(months) => Ok(months),
            Scope::Range(_) => bail!("shard {} is not that of a compaction: plan again", self.shard),
        }
    }
}

/// Returns the lines of the file.
pub(super) fn to_lines(shards: &[Shard]) -> anyhow::Result<String> {
    let lines = shards.iter().map(|shard| Ok(serde_json::to_string(shard)? + "\n"));
    lines.collect()
}

/// Parses the lines of the file.
///
/// # Errors
/// Returns an error if a line is not a shard, or if the shards do not cover everything exactly once. Months are only checked
/// for repetitions.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Shard>> {
    let shards: Vec<Shard> = text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            // A field that this version does not know could change what the shard covers.
            read_back(line.as_bytes()).with_context(|| format!("line {} is not a shard of this version", at + 1))
        })
        .collect::<anyhow::Result<_>>()?;
    ensure!(!shards.is_empty(), "it contains no shard");
    match shards[0].scope {
        Scope::Months(_) => check_months(&shards)?,
        Scope::Range(_) => check_ranges(&shards)?,
    }
    Ok(shards)
}

fn check_months(shards: &[Shard]) -> anyhow::Result<()> {
    let mut last: Option<&FarmMonth> = None;
    for (at, shard) in (0..).zip(shards) {
        let ShardMonths { months, strays } = shard.months()?;
        let follows = |month| last.replace(month).is_none_or(|last| last < month);
        if shard.shard != at || *strays != (at == 0) || !months.iter().all(follows) {
            bail!("line {} does not follow the one before it", at + 1);
        }
    }
    Ok(())
}

fn check_ranges(shards: &[Shard]) -> anyhow::Result<()> {
    let (mut ids, mut days) = (IdLimits::default(), DayLimits::default());
    for (at, shard) in (0..).zip(shards) {
        let JobRange { ids: own, days: own_days, strays } = shard.range()?;
        let follows = own.after == ids.until && own_days.from == days.before;
        let ascends = own.after.zip(own.until).is_none_or(|(after, until)| after <= until)
            && own_days.from.zip(own_days.before).is_none_or(|(from, before)| from <= before);
        if shard.shard != at || !follows || !ascends || *strays != (at == 0) {
            bail!("line {} does not follow the one before it", at + 1);
        }
        (ids, days) = (*own, *own_days);
    }
    ensure!(ids.until.is_none() && days.before.is_none(), "its last line does not cover the rest");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards() -> Vec<Shard> {
        let id = |text: &str| Some(text.parse().unwrap());
        let day = |text: &str| Some(text.parse().unwrap());
        let ends = [(id("01856aa0-c800-8000-8000-000000000000"), day("2023-01-02")), (None, None)];
        let mut before = (None, None);
        let shards = (0..).zip(ends).map(|(shard, (until, end))| {
            let (after, from) = std::mem::replace(&mut before, (until, end));
            let range =
                JobRange { ids: IdLimits { after, until }, days: DayLimits { from, before: end }, strays: shard == 0 };
            Shard { shard, scope: Scope::Range(range), objects: 7, bytes: 70 }
        });
        shards.collect()
    }

    #[test]
    fn the_list_comes_back_from_its_lines() {
        let lines = to_lines(&shards()).unwrap();
        assert_eq!(lines.lines().count(), 2);
        assert_eq!(parse(&lines).unwrap(), shards());
    }

    #[test]
    fn a_list_that_does_not_cover_everything_once_is_an_error() {
        let lines = to_lines(&shards()).unwrap();
        let (first, last) = lines.split_once('\n').unwrap();
        for (text, why) in [
            (String::new(), "no shard"),
            (first.to_owned(), "the rest"),
            (last.to_owned(), "line 1"),
            (format!("{first}\n{first}\n{last}"), "line 2"),
            (lines.replace("2023-01-02", "2023-01-0"), "line 1 is not a shard"),
            (lines.replacen("\"objects\"", "\"only\":[],\"objects\"", 1), "has the field \"only\""),
            (lines.replacen("2023-01-02", "2023-01-03", 1), "line 2"),
            (lines.replace("\"strays\":true", "\"strays\":false"), "line 1"),
            (lines.replacen("\"until\":null", "\"until\":\"01856aa0-c800-8000-8000-000000000001\"", 1), "the rest"),
        ] {
            let e = format!("{:#}", parse(&text).unwrap_err());
            assert!(e.contains(why), "{text}: {e}");
        }
    }

    fn months(list: &[&[(&str, &str)]]) -> Vec<Shard> {
        let month =
            |(month, farm): &(&str, &str)| FarmMonth { month: month.parse().unwrap(), farm: (*farm).to_owned() };
        let shards = (0..).zip(list).map(|(shard, list)| {
            let months = ShardMonths { months: list.iter().map(month).collect(), strays: shard == 0 };
            Shard { shard, scope: Scope::Months(months), objects: 7, bytes: 70 }
        });
        shards.collect()
    }

    #[test]
    fn months_come_back_and_are_there_once() {
        let good = months(&[&[("2026-01", "a"), ("2026-01", "b")], &[("2026-02", "a")], &[]]);
        let lines = to_lines(&good).unwrap();
        assert_eq!(parse(&lines).unwrap(), good, "{lines}");
        let (first, _) = lines.split_once('\n').unwrap();
        let range = to_lines(&shards()).unwrap();
        for (text, why) in [
            (to_lines(&months(&[&[("2026-01", "b"), ("2026-01", "a")]])).unwrap(), "line 1"),
            (to_lines(&months(&[&[("2026-01", "a")], &[("2026-01", "a")]])).unwrap(), "line 2"),
            (lines.replacen("\"strays\":false", "\"strays\":true", 1), "line 2"),
            (lines.replace("2026-02", "2026-2"), "line 2 is not a shard"),
            (format!("{first}\n{}", range.lines().nth(1).unwrap()), "not that of a compaction"),
            (format!("{}\n{first}", range.lines().next().unwrap()), "that of a compaction"),
        ] {
            let e = format!("{:#}", parse(&text).unwrap_err());
            assert!(e.contains(why), "{text}: {e}");
        }
    }
}
