//! Range of a lake and its table that a shard of a job covers.
//!
//! Adjacent ranges contain every listed object and every row exactly once:
//!
//! | object or row | belongs to the range that has |
//! | --- | --- |
//! | a row | its id, in the server's order |
//! | a name with an id of version 8, in the path of the id's day | the id |
//! | any other name in the path of a day: legacy, unrecognized or misfiled | the day |
//! | a name outside of any day | `strays` |

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use pipeline::lake::{Key, Partition, Span};
use pipeline::record::RecordId;
use pipeline::warehouse::IdRange;

/// Number of bits of an id after its time in milliseconds.
const HASH_BITS: u32 = 80;

/// Range of a lake and its table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRange {
    /// Range of ids: rows, and objects with such an id in their name.
    #[serde(flatten)]
    pub ids: IdLimits,
    /// Range of days: all other objects in the paths of days.
    #[serde(flatten)]
    pub days: DayLimits,
    /// True if objects outside of the paths of days belong to the range.
    pub strays: bool,
}

/// Range of ids; without limits, all ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdLimits {
    /// Start of the range, exclusive. `None` for no limit.
    pub after: Option<Uuid>,
    /// End of the range, inclusive. `None` for no limit.
    pub until: Option<Uuid>,
}

/// Range of days; without limits, all days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayLimits {
    /// First day. `None` for no limit.
    pub from: Option<NaiveDate>,
    /// Day after the last. `None` for no limit.
    pub before: Option<NaiveDate>,
}

impl JobRange {
    /// Returns the range of everything.
    pub fn everything() -> Self {
        Self { strays: true, ..Self::default() }
    }

    /// Returns true if a listed object in the path of a day belongs to the range.
    pub fn has_object(&self, key: &str) -> bool {
        let Some(partition) = Partition::of_key(key) else { return self.strays };
        match id_in_place(key, partition.day) {
            Some(id) => self.ids.has(id),
            None => self.days.has(partition.day),
        }
    }

    /// Returns the parts of a span that contain the objects of the range.
    pub fn spans(&self, of: &Span) -> Vec<Span> {
        let (ids, days) = (self.ids.days(), Some(self.days).filter(|days| !days.is_empty()));
        let limits = match (ids, days) {
            (Some(ids), Some(days)) if ids.meets(days) => vec![ids.joined(days)],
            (ids, days) => ids.into_iter().chain(days).collect(),
        };
        limits.into_iter().filter_map(|limits| limits.of(of)).collect()
    }
}

/// Returns the id of version 8 in an object's name if the id's day is the day of the path.
pub(crate) fn id_in_place(key: &str, day: NaiveDate) -> Option<[u8; 16]> {
    let id = RecordId::new(Key::parse(key)?.id.as_deref()?);
    match (&id, id.data_millis()) {
        (RecordId::Uuid(bytes), Some(_)) if id.day() == Some(day) => Some(*bytes),
        _ => None,
    }
}

impl IdLimits {
    /// Returns true if the range has an id.
    pub fn has(&self, id: [u8; 16]) -> bool {
        self.after.is_none_or(|after| after.into_bytes() < id)
            && self.until.is_none_or(|until| id <= until.into_bytes())
    }

    /// Returns true if the range has no id.
    pub fn is_empty(&self) -> bool {
        matches!((self.after, self.until), (Some(after), Some(until)) if after >= until)
    }

    /// Returns the range as limits of a scan.
    pub fn of_rows(&self) -> IdRange {
        let text = |id: Option<Uuid>| id.map(|id| id.hyphenated().to_string());
        IdRange { after: text(self.after), until: text(self.until) }
    }

    /// Returns true if the range has ids of version 8 with this time, in Unix milliseconds.
    pub fn has_time(&self, millis: i64) -> bool {
        let Ok(millis) = u64::try_from(millis) else { return false };
        let (first, last) = ids_of(millis);
        self.after.is_none_or(|after| after.as_u128() < last) && self.until.is_none_or(|until| first <= until.as_u128())
    }

    /// Returns the days of the ids of version 8 in the range. `None` if the range is empty.
    fn days(&self) -> Option<DayLimits> {
        if self.is_empty() {
            return None;
        }
        let day = |id: Uuid| DateTime::<Utc>::from_timestamp_millis(millis_of(id)).map(|at| at.date_naive());
        let before = self.until.and_then(day).and_then(|day| day.succ_opt());
        Some(DayLimits { from: self.after.and_then(day), before })
    }
}

impl fmt::Display for IdLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |id: Option<Uuid>| id.map_or_else(|| "…".to_owned(), |id| id.hyphenated().to_string());
        write!(f, "ids after {} up to {}", shown(self.after), shown(self.until))
    }
}

/// Returns the first and the last possible id with a time in Unix milliseconds.
pub(crate) fn ids_of(millis: u64) -> (u128, u128) {
    let first = u128::from(millis) << HASH_BITS;
    (first, first | ((1 << HASH_BITS) - 1))
}

fn millis_of(id: Uuid) -> i64 {
    i64::try_from(id.as_u128() >> HASH_BITS).unwrap_or(i64::MAX)
}

impl DayLimits {
    /// Returns true if the range has a day.
    pub fn has(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.before.is_none_or(|before| day < before)
    }

    /// Returns true if the range has no day.
    pub fn is_empty(&self) -> bool {
        matches!((self.from, self.before), (Some(from), Some(before)) if from >= before)
    }

    /// Returns true if two ranges overlap or are adjacent.
    fn meets(self, other: Self) -> bool {
        let starts_by = |from: Option<NaiveDate>, before: Option<NaiveDate>| match (from, before) {
            (Some(from), Some(before)) => from <= before,
            _ => true,
        };
        starts_by(self.from, other.before) && starts_by(other.from, self.before)
    }

    /// Returns the range of both.
    fn joined(self, other: Self) -> Self {
        let from = self.from.zip(other.from).map(|(one, other)| one.min(other));
        let before = self.before.zip(other.before).map(|(one, other)| one.max(other));
        Self { from, before }
    }

    /// Returns the part of a span in this range. `None` if there is none.
    fn of(self, span: &Span) -> Option<Span> {
        let from = [span.from, self.from].into_iter().flatten().max();
        let last = self.before.and_then(|day| day.pred_opt());
        let to = [span.to, last].into_iter().flatten().min();
        let is_empty = matches!((from, to), (Some(from), Some(to)) if from > to);
        (!is_empty).then(|| Span { farms: span.farms.clone(), from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn id(text: &str) -> Uuid {
        text.parse().unwrap()
    }

    /// 2023-01-01 and 2023-01-02, midnight.
    const FIRST: &str = "01856aa0-c800";
    const SECOND: &str = "01856fc7-2400";

    fn key(day: &str, id: &str) -> String {
        format!("a/{day}/historico_consumo_2023-01-01 00:00:00.000{id}.json")
    }

    #[test]
    fn every_object_has_one_owner() {
        let cut = id(&format!("{FIRST}-883a-837a-29fe66bbec99"));
        let cut_day = day("2023-01-02");
        let low = JobRange {
            ids: IdLimits { after: None, until: Some(cut) },
            days: DayLimits { from: None, before: Some(cut_day) },
            strays: true,
        };
        let high = JobRange {
            ids: IdLimits { after: Some(cut), until: None },
            days: DayLimits { from: Some(cut_day), before: None },
            strays: false,
        };
        let cases = [
            (key("2023/01/01", &format!("_{FIRST}-883a-837a-29fe66bbec99")), true),
            (key("2023/01/01", &format!("_{FIRST}-883a-837a-29fe66bbec9a")), false),
            (key("2023/01/02", &format!("_{SECOND}-8000-8000-000000000000")), false),
            (key("2023/01/02", &format!("_{FIRST}-8000-8000-000000000000")), false), // misfiled: by the day of its path
            (key("2023/01/01", &format!("_{FIRST}-9000-4000-8000-000000000000")), true),
            (key("2023/01/01", ""), true),
            (key("2023/01/02", ""), false),
            ("a/2023/01/02/notes.txt".to_owned(), false),
            ("notes.txt".to_owned(), true),
        ];
        for (key, is_low) in cases {
            assert_eq!((low.has_object(&key), high.has_object(&key)), (is_low, !is_low), "{key}");
            assert!(JobRange::everything().has_object(&key));
        }
    }

    #[test]
    fn the_spans_of_a_range_have_its_days_and_few_others() {
        let span =
            |from: Option<&str>, to: Option<&str>| Span { from: from.map(day), to: to.map(day), ..Span::default() };
        let ids = |after: &str, until: &str| IdLimits { after: Some(id(after)), until: Some(id(until)) };
        let days = |from: &str, before: &str| DayLimits { from: Some(day(from)), before: Some(day(before)) };
        let nothing = days("2023-01-01", "2023-01-01");
        let of = |ids, days| JobRange { ids, days, strays: false };
        let two_days = ids(&format!("{FIRST}-8000-8000-000000000000"), &format!("{SECOND}-8000-8000-000000000000"));
        let later = ids("f0000000-0000-0000-0000-000000000000", "f1000000-0000-0000-0000-000000000000");
        let all = Span::default();
        assert_eq!(JobRange::everything().spans(&all), std::slice::from_ref(&all));
        assert_eq!(of(two_days, nothing).spans(&all), [span(Some("2023-01-01"), Some("2023-01-02"))]);
        assert_eq!(
            of(two_days, days("2023-01-03", "2023-01-05")).spans(&all),
            [span(Some("2023-01-01"), Some("2023-01-04"))],
            "adjacent days are scanned once"
        );
        assert_eq!(of(later, days("2023-01-03", "2023-01-05")).spans(&all).len(), 2);
        assert_eq!(
            of(two_days, nothing).spans(&span(Some("2023-01-02"), None)),
            [span(Some("2023-01-02"), Some("2023-01-02"))]
        );
        assert_eq!(of(two_days, nothing).spans(&span(Some("2023-01-03"), None)), []);
        let empty = ids(FIRST_ID, FIRST_ID);
        assert!(empty.is_empty() && of(empty, nothing).spans(&all).is_empty());
    }

    const FIRST_ID: &str = "01856aa0-c800-8000-8000-000000000000";

    #[test]
    fn a_range_has_a_time_if_it_has_any_id_of_it() {
        let range =
            IdLimits { after: Some(id(FIRST_ID)), until: Some(id(&format!("{SECOND}-8000-8000-000000000000"))) };
        let first = 1_672_531_200_000;
        for (millis, has) in
            [(first - 1, false), (first, true), (first + 86_400_000, true), (first + 86_400_001, false)]
        {
            assert_eq!(range.has_time(millis), has, "{millis}");
        }
        assert!(!range.has_time(-1) && IdLimits::default().has_time(0));
    }

    #[test]
    fn a_range_comes_back_from_json() {
        let range = JobRange {
            ids: IdLimits { after: Some(id(FIRST_ID)), until: None },
            days: DayLimits { from: None, before: Some(day("2023-01-02")) },
            strays: true,
        };
        let json = serde_json::to_string(&range).unwrap();
        assert_eq!(
            json,
            r#"{"after":"01856aa0-c800-8000-8000-000000000000","until":null,"from":null,"before":"2023-01-02","strays":true}"#
        );
        assert_eq!(serde_json::from_str::<JobRange>(&json).unwrap(), range);
    }
}
