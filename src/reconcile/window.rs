//! Selection of the records and rows in an audit of some farms and days, by their content.
//!
//! | object or row | the column that decides |
//! | --- | --- |
//! | a name with the id in it | `data`: such paths are made from it |
//! | a legacy name | `row_ts` or `data`, depending on which the paths of this lake's legacy names follow |
//! | a row with an id of version 8, or in a lake without legacy names | `data` |
//! | any other row | as a legacy name |

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};
use serde::{Deserialize, Serialize};

use pipeline::lake::{Key, Span};
use pipeline::record::row::Row;
use pipeline::record::{Column, Record, RecordId, Slug};
use pipeline::warehouse::TimeWindow;

/// Number of records whose path follows each date, for legacy names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PathDateVotes {
    pub data: u64,
    pub row_ts: u64,
    /// Number of legacy names, conclusive or not.
    pub older: u64,
}

impl PathDateVotes {
    /// Counts a record and its path.
    pub(super) fn count(&mut self, key: &Key, record: &Record) {
        if key.id.is_some() {
            return;
        }
        self.older += 1;
        let (data, row_ts) = (record.reading.data.date_naive(), record.row_ts.date_naive());
        match (key.day == data, key.day == row_ts) {
            (true, false) => self.data += 1,
            (false, true) => self.row_ts += 1,
            _ => {}
        }
    }

    /// Adds the votes of another shard.
    pub(super) fn merge(&mut self, other: Self) {
        self.data += other.data;
        self.row_ts += other.row_ts;
        self.older += other.older;
    }

    /// Returns true if no record is conclusive.
    pub(super) fn is_empty(&self) -> bool {
        self.data + self.row_ts == 0
    }
}

/// Selects the records and rows that belong to the audit.
#[derive(Debug, Clone)]
pub(super) struct AuditWindow {
    span: Span,
    from: Option<NaiveDateTime>,
    until: Option<NaiveDateTime>,
    /// Column that decides for legacy names.
    older: Column,
    /// False if the column is not known, because only a part of the lake was read.
    is_decided: bool,
}

impl AuditWindow {
    /// Returns the window of a span; `None` if it includes everything.
    pub(super) fn of(span: &Span, votes: PathDateVotes) -> Option<Self> {
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN);
        let until = span.to.and_then(|day| day.checked_add_days(Days::new(1)));
        let until = until.filter(|day| day.year() <= 9999).map(midnight); // DATETIME has no later value
        let older = if votes.row_ts > votes.data { Column::RowTs } else { Column::Data };
        let inside = || Self { span: span.clone(), from: span.from.map(midnight), until, older, is_decided: true };
        (!span.is_everything()).then(inside)
    }

    /// Returns the window of a shard of an audit, which includes every row that either column could select.
    pub(super) fn undecided(span: &Span) -> Option<Self> {
        Some(Self { is_decided: false, ..Self::of(span, PathDateVotes::default())? })
    }

    /// Returns the time windows that contain every row of a span, for either column; empty if the span has no days.
    pub(super) fn windows(span: &Span) -> Vec<TimeWindow> {
        let Some(inside) = Self::of(span, PathDateVotes::default()) else { return Vec::new() };
        if inside.from.is_none() && inside.until.is_none() {
            return Vec::new();
        }
        [Column::Data, Column::RowTs].map(|column| inside.window(column)).into()
    }

    fn window(&self, column: Column) -> TimeWindow {
        TimeWindow { column, from: self.from, until: self.until }
    }

    /// Returns a description of the deciding column.
    pub(super) fn column(&self) -> &'static str {
        match self.older {
            Column::RowTs => "row_ts for names without id, data for all others",
            _ => "data",
        }
    }

    /// Returns true if a record with that key belongs to the audit.
    pub(super) fn has_record(&self, key: &str, record: &Record) -> bool {
        let named = Key::parse(key).is_some_and(|key| key.id.is_some());
        let at = match self.older {
            Column::RowTs if !named => record.row_ts.naive_utc(),
            _ => record.reading.data.naive_utc(),
        };
        self.window(Column::Data).has(at) && self.span.has_farm(record.reading.slug().as_str())
    }

    /// Returns true if an unopened object belongs to the audit, by its name.
    pub(super) fn has_name(&self, key: &str) -> bool {
        Key::parse(key).is_some_and(|key| self.span.has_day(key.day) && self.span.has_farm(key.farm.as_str()))
    }

    /// Returns true if a row belongs to the audit.
    pub(super) fn has_row(&self, row: &Row) -> bool {
        let farm = row.text(Column::CodCliente).and_then(|farm| Slug::of(farm).ok());
        let of_farm = self.span.farms.is_empty() || farm.is_some_and(|farm| self.span.has_farm(farm.as_str()));
        if self.from.is_none() && self.until.is_none() {
            return of_farm;
        }
        let made_here = RecordId::new(row.id()).is_made_here();
        if !made_here && !self.is_decided {
            return of_farm;
        }
        let column = if made_here { Column::Data } else { self.older };
        of_farm && row.instant(column).is_some_and(|at| self.window(column).has(at))
    }
}
