//! Names of part files: a farm's month, or one day of a month with too many rows.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use pipeline::lake::Partition;

/// Name of the file in its folder.
const FILE: &str = "parte.parquet";

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// Returns the month of a day.
    pub fn of(day: NaiveDate) -> Self {
        Self { year: day.year(), month: day.month() }
    }

    /// Returns its first day.
    pub fn first_day(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or_default()
    }

    /// Returns its last day.
    pub fn last_day(self) -> NaiveDate {
        let next = self.first_day().checked_add_months(chrono::Months::new(1));
        next.and_then(|next| next.pred_opt()).unwrap_or(NaiveDate::MAX)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = (text.len() == 7).then(|| format!("{text}-01").parse().ok()).flatten();
        let month = day.map(Self::of).filter(|month| month.to_string() == text);
        month.ok_or_else(|| format!("{text:?} is not a month: write YYYY-MM, such as 2026-11"))
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl TryFrom<String> for Month {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The span of a part: a farm's month, or one day of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// Folder of the farm in the lake.
    pub farm: String,
    /// The month of the lake's paths.
    pub month: Month,
    /// The day of a month that has one part per day; `None` for a month with one part.
    pub day: Option<NaiveDate>,
}

impl PartName {
    /// Returns the name of the part that contains a partition.
    pub fn of(partition: &Partition, by_day: bool) -> Self {
        let day = by_day.then_some(partition.day);
        Self { farm: partition.farm.clone(), month: Month::of(partition.day), day }
    }

    /// Returns the key of the file in the folder of the parts.
    pub fn key(&self) -> String {
        let Self { farm, month, day } = self;
        match day {
            None => format!("fazenda={farm}/mes={month}/{FILE}"),
            Some(day) => format!("fazenda={farm}/mes={month}/dia={:02}/{FILE}", day.day()),
        }
    }

    /// Parses a key; `None` if it is not the key of a part.
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let farm = parts.next()?.strip_prefix("fazenda=").filter(|farm| !farm.is_empty())?.to_owned();
        let month: Month = parts.next()?.strip_prefix("mes=")?.parse().ok()?;
        let next = parts.next()?;
        let day = match next.strip_prefix("dia=") {
            None => (next == FILE).then_some(None)?,
            Some(day) => Some(NaiveDate::from_ymd_opt(month.year, month.month, day.parse().ok()?)?),
        };
        let name = Self { farm, month, day };
        (name.key() == key).then_some(name)
    }

    /// Returns the prefix of its objects' keys in the lake.
    pub fn prefix(&self) -> String {
        let Self { farm, month: Month { year, month }, day } = self;
        match day {
            None => format!("{farm}/{year:04}/{month:02}/"),
            Some(day) => format!("{farm}/{}/", day.format("%Y/%m/%d")),
        }
    }

    /// Returns true if the objects of a partition belong to it.
    pub fn has(&self, partition: &Partition) -> bool {
        let of_day = self.day.is_none_or(|day| day == partition.day);
        of_day && self.farm == partition.farm && self.month == Month::of(partition.day)
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_print_alike() {
        for key in
            ["fazenda=fazenda_um/mes=2026-11/parte.parquet", "fazenda=fazenda_um/mes=2024-02/dia=29/parte.parquet"]
        {
            assert_eq!(PartName::parse(key).unwrap().key(), key);
        }
        for key in [
            "_partes.json",
            "fazenda=/mes=2026-11/parte.parquet",
            "fazenda=a/mes=2026-1/parte.parquet",
            "fazenda=a/mes=2026-13/parte.parquet",
            "fazenda=a/mes=2026-11/outra.parquet",
            "fazenda=a/mes=2026-11/dia=31/parte.parquet",
            "fazenda=a/mes=2026-11/dia=1/parte.parquet",
            "fazenda=a/mes=2026-11/dia=01/x/parte.parquet",
            "fazenda=a/mes=2026-11/parte.parquet/x",
        ] {
            assert_eq!(PartName::parse(key), None, "{key}");
        }
    }

    #[test]
    fn a_part_has_the_partitions_below_its_prefix() {
        let partition = |day: &str| Partition { farm: "a".into(), day: day.parse().unwrap() };
        let month = PartName::of(&partition("2024-02-10"), false);
        assert_eq!((month.prefix().as_str(), month.month.to_string().as_str()), ("a/2024/02/", "2024-02"));
        assert!(month.has(&partition("2024-02-29")) && !month.has(&partition("2024-03-01")));
        assert_eq!(month.month.last_day().to_string(), "2024-02-29");
        let day = PartName::of(&partition("2024-02-10"), true);
        assert_eq!(day.prefix(), "a/2024/02/10/");
        assert!(day.has(&partition("2024-02-10")) && !day.has(&partition("2024-02-11")));
        let json = serde_json::to_string(&month.month).unwrap();
        assert_eq!(serde_json::from_str::<Month>(&json).unwrap(), month.month);
    }
}
